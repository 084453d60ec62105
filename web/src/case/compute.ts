import { ACTIVE, ask, attempt, get, mayChange, type Case, type Tables } from "../api";
import { button, element, say } from "../dom";
import { keptIn } from "../records";
import { settingsForm, type SettingsForm } from "../settings-form";
import { language, t } from "../texts";
import { remember } from "./before";
import { Corrections, type CorrectionScene, type ModelTable } from "./corrections";
import { fileOf, has } from "./page";

/** What corrections by hand set, as it is without any. */
const AUTOMATIC: Tables = {
  model: { inlet_caps: [], neck_plane: null, candidate: null, aneurysm: "auto" }, boundary: { flow_ml_s: null, outlets: "murray" },
};
const shown = new WeakMap<HTMLElement, Corrections>();
const sceneFile = () => `views/model.${language()}.json.gz`;

/** When the panel is to be made again. */
export const computeKey = (one: Case) => `${one.state}${JSON.stringify(one.settings)}${has(one, sceneFile())}`;

/** Corrections, boundary conditions, resolution and clinical answers; with others, only what follows is computed again. */
export async function computePanel(one: Case, place: HTMLElement): Promise<void> {
  if (!mayChange(one.role) || !one.kind) return place.replaceChildren();
  const form = await settingsForm(one.settings, one.kind, keptIn(`/api/cases/${one.id}/files`)), isActive = ACTIVE.includes(one.state);
  // Whoever called `aneuflow edit` came for this.
  const wasOpen = place.querySelector("details")?.open ?? one.project_id === "";
  const surface = element("div", {}), go = element("button", { type: "submit", className: "main", disabled: isActive }, t("compute_again"));
  const buttons = [button(t("back_to_automatic"), () => send({ ...AUTOMATIC, report: { language: language() } }, "report"), { name: "automatic", disabled: isActive || isAutomatic(one) }),
    button(t("compute_shape"), () => send(null, "measure"), { name: "shape", disabled: isActive, title: t("compute_shape_lead") }), go];
  const send = async (settings: Tables | null, last: "measure" | "report") => {
    for (const one of buttons) one.disabled = true;
    const sent = await attempt(async () => {
      const given = settings ?? changes(form, shown.get(place));
      await remember(one);
      await ask("POST", `/api/cases/${one.id}/jobs`, { settings: given, last });
    });
    if (sent) {
      say(t("compute_begun"));
      dispatchEvent(new Event("changed"));
      scrollTo({ top: 0, behavior: "smooth" });  // where the progress is
    } else for (const one of buttons) one.disabled = one.name === "automatic" && !settings;
  };
  const onsubmit = (event: Event) => { event.preventDefault(); void send(null, "report"); };
  const box = element("details", { open: wasOpen || one.state === "failed" || one.state === "canceled" },
    element("summary", {}, element("h2", {}, t("compute"))),
    element("form", { onsubmit }, element("p", { className: "soft" }, isActive ? t("compute_wait") : t("compute_lead")), surface, ...form.parts,
      element("div", { className: "row end" }, ...buttons)));
  shown.get(place)?.free();
  shown.delete(place);
  place.replaceChildren(box);
  const open = () => attempt(async () => {
    if (!box.open || isActive || surface.hasChildNodes()) return;
    if (!has(one, sceneFile())) return surface.replaceChildren(element("p", { className: "soft" }, t("correct_missing")));
    surface.replaceChildren(element("p", { className: "soft" }, "…"));
    const scene = await get<CorrectionScene>(fileOf(one, sceneFile()));
    // The viewer measures its place, so that has to be on the page first.
    const made = new Corrections(scene, (one.settings.model ?? {}) as ModelTable, (part) => surface.replaceChildren(part));
    shown.set(place, made);
  });
  box.addEventListener("toggle", open);
  await open();
}

function changes(form: SettingsForm, corrections: Corrections | undefined): Tables {
  const found = form.changes(), model = corrections?.changes() ?? {};
  return Object.keys(model).length ? { ...found, model: { ...model } } : found;
}

function isAutomatic(one: Case): boolean {
  return Object.entries(AUTOMATIC).every(([name, table]) => Object.keys(table).every((key) => one.settings[name]?.[key] === undefined));
}
