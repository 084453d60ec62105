// For administrators of the system: the machines that compute, the queue, what a case costs, and where objects lie.
import { get, repeat } from "./api";
import { element, table } from "./dom";
import { bytes, duration, language, t } from "./texts";

interface Worker { id: string; host: string; slots: number; cores: number; load: number; memory_bytes: number; memory_free_bytes: number; disk_bytes: number; disk_free_bytes: number }
interface Resources {
  workers: Worker[]; queue: { kind: string; state: string; count: number }[]; objects: number; stored_bytes: number;
  cost: { cases: number; seconds: number | null; stages: Record<string, number> };
}
interface Node { address: string; bytes: number | null; free_bytes: number | null; volumes: number | null }
interface Storage {
  store: { nodes: Node[]; volumes: number | null; lacking: number[] | null; copies: number; free_bytes: number | null } | null;
  bytes_a_day: number; days_left: number | null; warnings: string[];
}

const AGAIN_S = 10;
const FAR_DAYS = 3650;

export async function resourcesPage(root: HTMLElement, signal: AbortSignal): Promise<void> {
  const place = element("div", { className: "resources" });
  root.replaceChildren(element("h1", { tabIndex: -1 }, t("resources")), place);
  await repeat(signal, async () => {
    const [found, kept] = await Promise.all([
      get<Resources>("/api/resources", signal), get<Storage>(`/api/storage?language=${language()}`, signal)]);
    place.replaceChildren(machines(found), queue(found), cost(found), storage(found, kept));
    return AGAIN_S;
  });
}

const part = (name: string, lead: string, ...shown: (HTMLElement | "")[]): HTMLElement =>
  element("section", {}, element("h2", {}, name), element("p", { className: "soft" }, lead), ...shown);
const scrolled = (heads: string[], rows: string[][]): HTMLElement => element("div", { className: "scroll" }, table(heads, rows));
const free = (left: number | null, all: number | null): string =>
  left === null || all === null ? t("unknown_size") : t("free_of", { free: bytes(left), all: bytes(all) });

function machines({ workers }: Resources): HTMLElement {
  const rows = workers.map((one) => [one.host, String(one.slots), String(one.cores), one.load.toFixed(1),
    free(one.memory_free_bytes, one.memory_bytes), free(one.disk_free_bytes, one.disk_bytes)]);
  return part(t("machines"), rows.length ? t("machines_lead") : t("machines_none"),
    rows.length ? scrolled([t("machine"), t("slots"), t("cores"), t("load"), t("memory"), t("disk")], rows) : "");
}

function queue({ queue: known }: Resources): HTMLElement {
  const active = known.filter(({ state }) => state === "queued" || state === "running");
  const rows = active.map(({ kind, state, count }) => [t(`kind_${kind}`), t(`state_${state}`), String(count)]);
  return part(t("queue"), rows.length ? "" : t("queue_empty"), rows.length ? scrolled([t("work"), t("state"), t("count")], rows) : "");
}

function cost({ cost: { cases, seconds, stages } }: Resources): HTMLElement {
  if (seconds === null) return part(t("cost"), t("cost_none"));
  const rows = Object.entries(stages).map(([name, took]) => [t(`stage.${name}`), took < 1 ? t("seconds", { count: "< 1" }) : duration(took)]);
  return part(t("cost"), t("cost_lead", { count: cases, time: duration(seconds) }), scrolled([t("stage"), t("time")], rows));
}

function storage(found: Resources, { store, bytes_a_day, days_left, warnings }: Storage): HTMLElement {
  const lead = t("storage_lead", { count: found.objects, size: bytes(found.stored_bytes), growth: bytes(bytes_a_day) });
  const state = store === null ? t("storage_elsewhere") : [
    days_left === null ? "" : days_left > FAR_DAYS ? t("storage_years") : t("storage_days", { days: Math.round(days_left) }),
    store.volumes === null ? "" : t("storage_volumes", { count: store.volumes, copies: store.copies, lacking: store.lacking?.length ?? 0 }),
  ].filter(Boolean).join(" ");
  const nodes = store?.nodes ?? [], hasVolumes = nodes.some(({ volumes }) => volumes !== null);
  const rows = nodes.map((node) => [node.address, free(node.free_bytes, node.bytes), ...(hasVolumes ? [String(node.volumes ?? "")] : [])]);
  return part(t("storage"), lead, ...warnings.map((sentence) => element("p", { className: "plain-words", role: "alert" }, sentence)),
    element("p", {}, state), rows.length ? scrolled([t("server"), t("disk"), ...(hasVolumes ? [t("volumes")] : [])], rows) : "");
}
