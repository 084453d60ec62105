// The settings a case is computed with, as a form; what is left as it was is not sent.
import { get, type Tables } from "./api";
import { choice, element, labeled } from "./dom";
import { namesOf, Records, type Kept } from "./records";
import { language, t, worded } from "./texts";

interface Schema {
  type?: string; enum?: string[]; anyOf?: Schema[]; default?: unknown; minimum?: number; maximum?: number; exclusiveMinimum?: number;
}
interface Offer { schema: { $defs: Record<string, { properties: Record<string, Schema> }> }; waveforms: string[] }
interface Field { control: HTMLElement; read: () => unknown }

const TABLES: Record<string, string> = { boundary: "BoundarySettings", simulate: "FlowSettings", clinical: "Clinical", input: "InputSettings",
  segment: "SegmentSettings", predict: "PredictSettings" };
/** What the case is made from; of a new one that is still asked. */
type Input = "new" | "image" | "mask" | "surface";
const VISCOSITY = "newtonian:";
let offered: Promise<Offer> | null = null;

export class SettingsForm {
  readonly parts: HTMLElement[] = [];
  private readonly fields: { table: string; name: string; before: unknown; read: () => unknown }[] = [];
  private readonly records: { doppler: Records; pressure: Records };

  constructor(private readonly offer: Offer, private readonly now: Tables, input: Input, kept?: Kept) {
    if (input === "new") this.part(t("set_input"), this.enumerated("input", "kind"), this.enumerated("input", "modality"));
    if (input !== "mask" && input !== "surface") this.part(t("stage.segment"), ...this.segmentation());
    this.part(t("stage.boundary"), this.number("boundary", "flow_ml_s", "mL/s"), this.waveform(), this.number("boundary", "period_s", "s"),
      this.viscosity(), this.picked("boundary", "outlets", ["murray", "zero-pressure", "windkessel"]));
    this.records = { doppler: new Records("doppler", namesOf(now, "doppler"), kept), pressure: new Records("pressure", namesOf(now, "pressure"), kept) };
    this.parts.push(this.measured());
    this.part(t("stage.simulate"), this.number("simulate", "resolution_mm", "mm"), this.flag("simulate", "steady"),
      this.number("simulate", "cycles"), this.flag("predict", "fast"));
    const asked = Object.keys(this.schemas("clinical")).filter((name) => name !== "confirmed");
    const box = element("details", { className: "part" }, element("summary", {}, t("stage.clinical")),
      element("div", { className: "fields" }, ...asked.map((name) => this.clinical(name))));
    box.open = asked.some((name) => this.current("clinical", name) !== undefined);
    this.parts.push(box);
  }

  /** What differs from before, and the report's language. */
  changes(): Tables {
    const found: Tables = { report: { language: language() } };
    for (const { table, name, before, read } of this.fields) {
      const value = read();
      if (value !== before) (found[table] ??= {})[name] = value;
    }
    for (const [kind, records] of Object.entries(this.records)) {
      const given = records.changes();
      if (given) (found.boundary ??= {})[kind] = given;
    }
    return found;
  }

  /** What was measured of the flow, and how to take it. */
  private measured(): HTMLElement {
    const { doppler, pressure } = this.records;
    const box = element("details", { className: "part measured" }, element("summary", {}, t("records")), element("p", { className: "soft" }, t("records_lead")),
      doppler.part, element("div", { className: "fields" }, this.enumerated("boundary", "doppler_velocity"), this.number("boundary", "doppler_diameter_mm", "mm"),
        this.number("boundary", "doppler_angle_deg", "°")), pressure.part);
    box.open = namesOf(this.now, "doppler").length + namesOf(this.now, "pressure").length > 0;
    return box;
  }

  private schemas(table: string): Record<string, Schema> {
    return this.offer.schema.$defs[TABLES[table] ?? ""]?.properties ?? {};
  }

  private schema(table: string, name: string): Schema {
    const said = this.schemas(table)[name] ?? {};
    return said.anyOf ? { ...said, ...said.anyOf.find((part) => part.type !== "null") } : said;
  }

  private current(table: string, name: string): unknown {
    const value = this.now[table]?.[name];
    return value ?? undefined;
  }

  private part(title: string, ...controls: HTMLElement[]): void {
    this.parts.push(element("fieldset", { className: "part" }, element("legend", {}, title),
      element("div", { className: "fields" }, ...controls)));
  }

  private add(table: string, name: string, { control, read }: Field, unit = ""): HTMLElement {
    control.setAttribute("name", `${table}.${name}`);
    this.fields.push({ table, name, before: read(), read });
    const label = table === "clinical" ? t(`answer.${name}`) : t(`set_${name}`);
    return labeled(label, control, unit);
  }

  private number(table: string, name: string, unit = ""): HTMLElement {
    const schema = this.schema(table, name), value = this.current(table, name) ?? schema.default;
    const control = element("input", { type: "number", step: schema.type === "integer" ? "1" : "any",
      min: String(schema.minimum ?? schema.exclusiveMinimum ?? ""), max: String(schema.maximum ?? ""),
      required: typeof schema.default === "number", placeholder: table === "clinical" ? "" : t("automatic") });
    control.value = value === undefined || value === null || value === "auto" ? "" : String(parseFloat(String(value)));
    return this.add(table, name, { control, read: () => (control.value === "" ? null : Number(control.value)) }, unit);
  }

  private picked(table: string, name: string, values: string[]): HTMLElement {
    const value = String(this.current(table, name) ?? this.schema(table, name).default ?? values[0]);
    const all = values.includes(value) ? values : [...values, value];
    const control = choice(all.map((one) => [one, worded(`option_${one}`, one)]), value);
    return this.add(table, name, { control, read: () => control.value });
  }

  private enumerated(table: string, name: string): HTMLElement {
    return this.picked(table, name, this.schema(table, name).enum ?? []);
  }

  private waveform(): HTMLElement {
    return this.picked("boundary", "waveform", this.offer.waveforms);
  }

  private flag(table: string, name: string): HTMLElement {
    const control = element("input", { type: "checkbox", checked: Boolean(this.current(table, name)) });
    return this.add(table, name, { control, read: () => control.checked });
  }

  private segmentation(): HTMLElement[] {
    const methods = this.schema("segment", "segmenter").enum ? [this.enumerated("segment", "segmenter")] : [];
    return [...methods, this.number("segment", "threshold", "HU"), this.number("segment", "minimum_diameter_mm", "mm")];
  }

  private viscosity(): HTMLElement {
    const value = String(this.current("boundary", "viscosity") ?? this.schema("boundary", "viscosity").default);
    const kinds = [VISCOSITY, "carreau-yasuda", "casson"];
    const kind = choice(kinds.map((one) => [one, t(`option_${one.replace(":", "")}`)]), kinds.find((one) => value.startsWith(one)) ?? VISCOSITY);
    const given = parseFloat(value.slice(VISCOSITY.length)) || 0.0035;
    const amount = element("input", { type: "number", step: "any", min: "0.5", max: "50", value: String(Number((1000 * given).toPrecision(6))),
      name: "viscosity_mpa_s", "aria-label": `${t("set_viscosity")} (mPa s)` });
    const turn = () => { amount.disabled = kind.value !== VISCOSITY; };
    kind.addEventListener("change", turn);
    turn();
    const read = () => (kind.value === VISCOSITY ? VISCOSITY + Number((Number(amount.value) / 1000).toPrecision(6)) : kind.value);
    const made = this.add("boundary", "viscosity", { control: kind, read }, "mPa s");
    kind.after(amount);
    made.classList.add("double");
    return made;
  }

  private clinical(name: string): HTMLElement {
    const schema = this.schema("clinical", name);
    if (schema.type === "number" || schema.type === "integer") return this.number("clinical", name);
    const values = schema.enum ?? ["yes", "no"], before = this.current("clinical", name);
    const shown = typeof before === "boolean" ? (before ? "yes" : "no") : String(before ?? "");
    const control = choice([["", "–"], ...values.map((one): [string, string] => [one, t(`answer.${one}`)])], shown);
    const meant = (value: string) => (schema.enum ? value : value === "yes");
    return this.add("clinical", name, { control, read: () => (control.value === "" ? null : meant(control.value)) });
  }
}

/** The form over the settings a case has now. */
export async function settingsForm(now: Tables, input: Input = "new", kept?: Kept): Promise<SettingsForm> {
  offered ??= get<Offer>("/api/settings").catch((error) => { offered = null; throw error; });
  return new SettingsForm(await offered, now, input, kept);
}
