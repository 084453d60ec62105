// Doppler and pressure records of a case: read from a file or typed in, shown as a curve, and sent with the settings.
import { ask, attempt, get, type Tables } from "./api";
import { button, choice, element, labeled } from "./dom";
import { t } from "./texts";

interface Values { unit: string; kind?: string; values: number[] }
interface Curves {
  time: Values; velocity?: Values[]; pressure?: Values[]; flow?: Values[];
  diameter?: { unit: string; value: number }; angle?: { unit: string; value: number };
}
interface Entry { cap: number | null; curves: Curves }
export type Kind = "doppler" | "pressure";
/** Reads a record that the case has, by the name its settings give it. */
export type Kept = (kind: Kind, name: string) => Promise<unknown>;

const MOST_BYTES = 700_000;
/** What is recorded, as one chooses it, and how the server is told. */
const QUANTITIES: Record<Kind, [name: string, quantity: "velocity" | "flow" | "pressure", kind: string, units: string[]][]> = {
  doppler: [["peak_velocity", "velocity", "peak", ["cm/s", "m/s"]], ["mean_velocity", "velocity", "mean", ["cm/s", "m/s"]], ["flow", "flow", "", ["mL/s", "mL/min"]]],
  pressure: [["pressure", "pressure", "", ["mmHg", "kPa"]]],
};

/** The records of one kind, with what adds to them and takes from them. */
export class Records {
  readonly part: HTMLElement;
  private entries: Entry[] = [];
  private changed = false;
  private readonly list = element("div", { className: "records" });

  constructor(private readonly kind: Kind, names: string[], kept?: Kept) {
    const file = element("input", { type: "file", hidden: true, name: `${kind}_file`, accept: ".csv,.txt,.json,.dcm", onchange: () => void this.take(file) });
    this.part = element("div", { className: "record-kind" }, element("h3", {}, t(`record_${kind}`)), this.list,
      element("div", { className: "row" }, button(t("record_file"), () => file.click()), button(t("record_type"), () => this.type(), { name: `${kind}_type` }), file));
    this.show();
    if (names.length && kept) void attempt(() => this.load(names, kept));
  }

  /** As settings take them, undefined where nothing was changed. */
  changes(): unknown[] | undefined {
    return this.changed ? this.entries.map(({ cap, curves }) => (cap === null ? curves : { cap, ...curves })) : undefined;
  }

  private async load(names: string[], kept: Kept): Promise<void> {
    const known = await Promise.all(names.map(async (given): Promise<Entry> => {
      const [, cap, name] = /^(?:(\d+)=)?(.+)$/.exec(given) ?? [];
      return { cap: cap === undefined ? null : Number(cap), curves: (await kept(this.kind, name!)) as Curves };
    }));
    this.entries = [...known, ...this.entries];
    this.show();
  }

  private async take(input: HTMLInputElement): Promise<void> {
    const file = input.files?.[0];
    input.value = "";
    if (!file) return;
    await attempt(async () => {
      if (file.size > MOST_BYTES) throw new Error(t("record_large"));
      await this.add(new Uint8Array(await file.arrayBuffer()));
    });
  }

  private async add(bytes: Uint8Array): Promise<void> {
    // In parts: the arguments of a call are limited.
    let text = "";
    for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
    const curves = await ask<Curves>("POST", "/api/records", { content: btoa(text) });
    if (!(this.kind === "pressure" ? curves.pressure : curves.velocity ?? curves.flow)) throw new Error(t(`record_no_${this.kind}`));
    this.entries.push({ cap: null, curves });
    this.changed = true;
    this.show();
  }

  private show(): void {
    this.list.replaceChildren(...this.entries.map((entry) => {
      const cap = element("input", { type: "number", min: "0", step: "1", className: "short", placeholder: t(`record_place_${this.kind}`),
        value: entry.cap === null ? "" : String(entry.cap), name: `${this.kind}_cap`,
        onchange: () => { entry.cap = cap.value === "" ? null : Number(cap.value); this.changed = true; } });
      const remove = button(t("remove"), () => { this.entries = this.entries.filter((one) => one !== entry); this.changed = true; this.show(); }, { className: "danger" });
      return element("div", { className: "record" }, drawing(entry.curves, this.kind), element("div", {}, ...said(entry.curves, this.kind)), labeled(t("record_cap"), cap), remove);
    }));
  }

  /** A dialog in which a record is typed: one line a moment, its time and its value. */
  private type(): void {
    const offered = QUANTITIES[this.kind];
    const what = choice(offered.map(([name]) => [name, t(`record_${name}`)]), offered[0]![0], { name: "record_what" });
    const unit = element("select", { name: "record_unit" });
    const units = () => unit.replaceChildren(...offered.find(([name]) => name === what.value)![3].map((one) => element("option", { value: one }, one)));
    what.addEventListener("change", units);
    units();
    const time = choice([["s", "s"], ["ms", "ms"]], "s", { name: "record_time" });
    const rows = element("textarea", { name: "record_rows", rows: 9, required: true, placeholder: "0.00  38\n0.05  61\n0.10  84" });
    const facts = this.kind === "doppler" ? [fact("record_diameter", "mm", "0.5", "20"), fact("record_angle", "°", "0", "80")] : [];
    const onsubmit = (event: Event) => {
      event.preventDefault();
      const [, quantity, kind] = offered.find(([name]) => name === what.value)!;
      void attempt(async () => {
        const numbers = rows.value.trim().split(/\n/).map((line) => line.trim().split(/[\s;,]+/).map(Number));
        if (numbers.some((row) => row.length !== 2 || row.some(Number.isNaN))) throw new Error(t("record_rows_wrong"));
        const [diameter, angle] = facts.map(({ input }) => (input.value === "" ? undefined : Number(input.value)));
        const record = { time: { unit: time.value, values: numbers.map(([at]) => at) },
          [quantity]: { unit: unit.value, kind, values: numbers.map(([, value]) => value) },
          ...(diameter === undefined ? {} : { diameter: { unit: "mm", value: diameter } }), ...(angle === undefined ? {} : { angle: { unit: "deg", value: angle } }) };
        await this.add(new TextEncoder().encode(JSON.stringify(record)));
        box.close();
      });
    };
    const box: HTMLDialogElement = element("dialog", { className: "typed", "aria-labelledby": "record-title", onclose: () => box.remove() },
      element("form", { onsubmit }, element("h2", { id: "record-title" }, t(`record_${this.kind}`)),
        element("div", { className: "fields" }, labeled(t("record_what"), what), labeled(t("record_unit"), unit), labeled(t("record_time"), time), ...facts.map(({ field }) => field)),
        labeled(t("record_rows"), rows),
        element("div", { className: "row end" }, button(t("cancel"), () => box.close()), element("button", { type: "submit", className: "main" }, t("record_add")))));
    document.body.append(box);
    box.showModal();
    rows.focus();
  }
}

function fact(name: string, unit: string, min: string, max: string): { field: HTMLElement; input: HTMLInputElement } {
  const input = element("input", { type: "number", step: "any", min, max, name });
  return { field: labeled(t(name), input, unit), input };
}

const SHOWN: Record<string, [factor: number, unit: string]> = { velocity: [100, "cm/s"], flow: [1, "mL/s"], pressure: [1 / 133.322387, "mmHg"] };

function main(curves: Curves, kind: Kind): { quantity: string; values: Values } | null {
  const names = kind === "pressure" ? (["pressure"] as const) : (["velocity", "flow"] as const);
  const quantity = names.find((name) => curves[name]?.length);
  return quantity ? { quantity, values: curves[quantity]![0]! } : null;
}

/** What is recorded, how long, and between which values. */
function said(curves: Curves, kind: Kind): HTMLElement[] {
  const found = main(curves, kind), times = curves.time.values;
  if (!found) return [];
  const [factor, unit] = SHOWN[found.quantity]!, { values, kind: sort } = found.values;
  const name = t(`record_${sort && found.quantity === "velocity" ? `${sort}_velocity` : found.quantity}`);
  const range = `${(factor * Math.min(...values)).toFixed(1)}–${(factor * Math.max(...values)).toFixed(1)} ${unit}, ${(times.at(-1)! - times[0]!).toFixed(2)} s`;
  const facts = [curves.diameter && `${t("record_diameter")} ${curves.diameter.value} mm`, curves.angle && `${t("record_angle")} ${curves.angle.value}°`];
  return [element("b", {}, name), element("p", {}, range), element("small", { className: "soft" }, facts.filter(Boolean).join(" · "))];
}

function drawing(curves: Curves, kind: Kind): SVGElement {
  const space = "http://www.w3.org/2000/svg", picture = document.createElementNS(space, "svg"), line = document.createElementNS(space, "polyline");
  const found = main(curves, kind), times = curves.time.values, values = found?.values.values ?? [];
  const [first, last] = [times[0] ?? 0, times.at(-1) ?? 1], low = Math.min(0, ...values), high = Math.max(1e-12, ...values);
  line.setAttribute("points", values.map((value, at) => `${(118 * (times[at]! - first)) / (last - first) + 1},${46 - (44 * (value - low)) / (high - low)}`).join(" "));
  picture.setAttribute("viewBox", "0 0 120 48");
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", t("record_curve"));
  picture.append(line);
  return picture;
}

/** The records a case's settings name. */
export function namesOf(settings: Tables, kind: Kind): string[] {
  return (settings.boundary?.[kind] ?? []) as string[];
}

export const keptIn = (folder: string): Kept => (kind, name) => get(`${folder}/${kind}/${encodeURIComponent(name)}`);
