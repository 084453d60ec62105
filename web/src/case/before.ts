// What a correction did to the numbers that rest on the neck: as they were when it was sent, beside as they are.
import { get, type Case, type Measure } from "../api";
import { element, table } from "../dom";
import { language, t } from "../texts";

const COMPARED = ["maximum_diameter", "height", "neck_diameter", "aspect_ratio", "sac_volume", "size_ratio", "parent_tawss_mean", "sac_tawss_mean"];
type Shown = Record<string, { name: string; value: string; unit: string }>;

const key = (one: Case) => `aneuflow.before.${one.id}`;

async function shownNow(one: Case): Promise<Shown> {
  const measures = await get<Measure[]>(`/api/cases/${one.id}/measures?language=${language()}`);
  return Object.fromEntries(measures.filter(({ id }) => COMPARED.includes(id))
    .map(({ id, name, shown }) => [id, { name, value: shown.value, unit: shown.unit }]));
}

/** Keep the numbers of this moment, in this window, until the next correction. */
export async function remember(one: Case): Promise<void> {
  sessionStorage.setItem(key(one), JSON.stringify(await shownNow(one)));
}

export async function beforePanel(one: Case, place: HTMLElement): Promise<void> {
  const kept = sessionStorage.getItem(key(one));
  if (!kept || one.state !== "done") return place.replaceChildren();
  const before = JSON.parse(kept) as Shown, now = await shownNow(one);
  const rows = COMPARED.filter((id) => before[id] ?? now[id]).map((id) => {
    const known = (now[id] ?? before[id])!;
    return [known.name, before[id]?.value ?? "–", now[id]?.value ?? "–", known.unit];
  });
  if (!rows.length) return place.replaceChildren();
  place.replaceChildren(element("h2", {}, t("before_after")), table([t("measures"), t("before"), t("now"), ""], rows));
}
