// Regions that a reader paints on the wall, for a model to learn from: a class at each point, each reader's apart from all others'.
import { showWall, type Encoded, type Wall } from "../../../src/aneuflow/report/templates/viewer.js";
import { ACTIVE, ask, attempt, get, mayChange, type Case } from "../api";
import { button, element, labeled, say } from "../dom";
import { language, t } from "../texts";
import { Brush } from "./brush";
import { fileOf, has } from "./page";
import { viewerPlace, type Scene } from "./wall";

interface Painting { surface: string; origin: Encoded; shown_by: Encoded; fields: object[] }
interface Labels { surface: string; classes: string[]; label: string | null; is_stale: boolean }
type PaintScene = Scene & { fields: object[] };

// Far from the fields' colors and from each other, also to eyes without red or green (Okabe and Ito 2008).
const COLORS: [number, number, number][] = [[213, 94, 0], [204, 121, 167], [86, 180, 233]];
const RIM: [number, number, number, number] = [0.07, 0.09, 0.15, 1];
const COVER = 0.9, LOOK = -1, STEPS_BACK = 50;

// What is not saved yet outlives another language or another look at the case.
const unsaved = new Map<string, Uint8Array>();
const shown = new WeakMap<HTMLElement, Painter>();
let lastReader = "";
addEventListener("beforeunload", (event) => { if (unsaved.size) event.preventDefault(); });

const sceneFile = () => `views/model.${language()}.json.gz`;
const paintingFile = () => `views/painting.${language()}.json.gz`;

/** When the panel is to be made again. */
export const paintKey = (one: Case) =>
  has(one, paintingFile()) && mayChange(one.role) ? JSON.stringify([ACTIVE.includes(one.state) || one.stages, language()]) : "";

export async function paintPanel(one: Case, place: HTMLElement): Promise<void> {
  const isActive = ACTIVE.includes(one.state), surface = element("div", {}), isLocal = one.project_id === "";
  const begin = (reader: string) => attempt(async () => {
    if (isActive || !box.open) return;
    const path = `/api/cases/${one.id}/labels${isLocal ? `?reader=${encodeURIComponent(reader)}` : ""}`;
    const [labels, scene, painting] = await Promise.all(
      [get<Labels>(path), get<PaintScene>(fileOf(one, sceneFile())), get<Painting>(fileOf(one, paintingFile()))] as const);
    shown.get(place)?.free();
    lastReader = reader;
    const save = async (label: Uint8Array) => { await ask("PUT", path, { surface: painting.surface, label: encode(label) }); };
    shown.set(place, new Painter({ ...scene, fields: painting.fields }, painting, labels, path + painting.surface, save,
      (part) => surface.replaceChildren(part)));
  });
  const name = element("input", { name: "painter", value: lastReader, maxLength: 32, pattern: "[A-Za-z0-9\\-]+", required: true, autocomplete: "off" });
  const onsubmit = (event: Event) => { event.preventDefault(); void begin(name.value); };
  const who = element("form", { className: "row", onsubmit }, labeled(t("paint_reader"), name), element("button", { type: "submit" }, t("paint_open")));
  const box = element("details", { open: shown.has(place) }, element("summary", {}, element("h2", {}, t("paint"))),
    element("p", { className: "soft" }, t(isActive ? "compute_wait" : "paint_lead")), isLocal && !isActive && who, surface);
  shown.get(place)?.free();
  shown.delete(place);
  place.replaceChildren(box);
  const open = () => { if (box.open && !surface.hasChildNodes() && (!isLocal || lastReader)) void begin(lastReader); };
  box.addEventListener("toggle", open);
}

class Painter {
  private readonly wall: Wall | null;
  private readonly brush: Brush | null;
  private readonly areas: Float32Array;
  private readonly before: Uint8Array[] = [];
  private readonly tools = element("div", { className: "paint-tools" });
  private readonly said = element("p", { className: "soft", role: "status" });
  private readonly radius = element("input", { type: "range", name: "brush", min: "0.2", max: "4", step: "0.1", value: "1", oninput: () => this.sayRadius() });
  private readonly size = element("small", {});
  private readonly back = button(t("paint_undo"), () => this.undo(), { name: "undo" });
  private label: Uint8Array;
  private isKept: boolean;
  private last: [number, number] | null = null;

  /** `lay` puts the part on the page, where the viewer can measure its place; `key` names what is painted where. */
  constructor(scene: PaintScene, private readonly painting: Painting, private readonly given: Labels, private readonly key: string,
    private readonly save: (label: Uint8Array) => Promise<void>, lay: (part: HTMLElement) => void) {
    const { root, stage } = viewerPlace(scene, t("paint_label"), t("paint_help")), place = element("div", { className: "correct paint" }, root);
    lay(place);
    this.wall = showWall(root, structuredClone(scene));
    place.classList.toggle("is-still", !this.wall);
    const origin = decode(painting.origin), own = given.label === null || given.surface !== painting.surface ? null : bytesOf(given.label);
    this.label = unsaved.get(key) ?? Uint8Array.from(origin, (point) => own?.[point] ?? 0);
    this.brush = this.wall && new Brush(this.wall.points, this.wall.triangles);
    this.areas = this.brush?.areas() ?? new Float32Array();
    this.isKept = own !== null;
    this.layOut(place, stage);
    this.listen(place, stage, stage.querySelector("canvas")!);
    this.sayRadius();
    this.show();
  }

  free(): void {
    this.wall?.free();
  }

  // ---- the form
  private layOut(place: HTMLElement, stage: HTMLElement): void {
    const kinds: [value: number, label: string][] = [[LOOK, t("paint_look")], ...this.given.classes.map((name, i): [number, string] => [i + 1, t(`class_${name}`)]), [0, t("paint_erase")]];
    const kind = ([value, label]: [number, string]) => {
      const swatch = element("i", { className: "swatch" });
      if (value > 0) swatch.style.background = `rgb(${COLORS[value - 1]})`;
      return element("label", {}, element("input", { type: "radio", name: "paint", value: String(value), defaultChecked: value === LOOK }),
        element("span", {}, value > 0 && swatch, label));
    };
    const keep = button(t("paint_save"), () => attempt(async () => {
      await this.save(this.ofLumen());
      unsaved.delete(this.key);
      this.isKept = true;
      this.show();
      say(t("paint_saved"));
    }), { className: "main", name: "save" });
    const radius = labeled(t("paint_brush"), this.radius);
    radius.append(this.size);
    this.tools.append(element("fieldset", { className: "scale", "aria-label": t("paint_class") }, ...kinds.map(kind)), radius);
    stage.before(this.tools);
    place.append(this.given.is_stale ? element("p", { className: "care" }, t("paint_stale")) : "", this.said, element("div", { className: "row end" }, this.back, keep));
  }

  private get chosen(): number {
    return Number(this.tools.querySelector<HTMLInputElement>("input[name=paint]:checked")!.value);
  }

  private sayRadius(): void {
    this.size.textContent = `${Number(this.radius.value).toFixed(1)} mm`;
  }

  private show(): void {
    const coat = new Uint8Array(4 * this.label.length), sums = this.given.classes.map(() => 0);
    this.label.forEach((value, i) => {
      if (!value) return;
      sums[value - 1]! += this.areas[i] ?? 0;
      coat.set([...COLORS[value - 1]!.map((part) => COVER * part), 255 * COVER], 4 * i);
    });
    this.wall?.coat(coat);
    const areas = this.given.classes.map((name, i) => `${t(`class_${name}`)} ${sums[i]!.toFixed(1)} mm²`).join(" · ");
    this.said.textContent = `${areas} · ${t(unsaved.has(this.key) ? "paint_unsaved" : this.isKept ? "paint_as_saved" : "paint_none")}`;
    this.back.disabled = !this.before.length;
  }

  // ---- on the picture
  private listen(place: HTMLElement, stage: HTMLElement, canvas: HTMLCanvasElement): void {
    const at = (event: PointerEvent): [number, number] => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    // Before the viewer hears of it: a drag that begins on the wall paints, one that begins beside it turns.
    stage.addEventListener("pointerdown", (event) => {
      if (event.target !== canvas || event.button || event.shiftKey || this.chosen === LOOK || !this.wall?.touched(...at(event))) return;
      event.stopPropagation();
      canvas.focus();
      canvas.setPointerCapture(event.pointerId);
      this.keepBefore();
      this.stroke(at(event));
    }, true);
    stage.addEventListener("pointermove", (event) => {
      if (this.last) {
        event.stopPropagation();
        this.stroke(at(event));
      }
      this.outline(this.chosen === LOOK ? null : at(event));
    }, true);
    for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => { this.last = null; }, true);
    canvas.addEventListener("pointerleave", () => this.outline(null));
    canvas.addEventListener("keydown", (event) => {
      if (event.key !== " " || this.chosen === LOOK) return;
      event.preventDefault();
      const middle: [number, number] = [canvas.clientWidth / 2, canvas.clientHeight / 2];
      this.keepBefore();
      this.stroke(middle);
      this.last = null;
      this.outline(middle);
    });
    place.addEventListener("keydown", (event) => {
      if (event.key !== "z" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      this.undo();
    });
  }

  /** Paint from where the brush was to a pixel, so densely that the dabs overlap. */
  private stroke(to: [number, number]): void {
    const [x, y] = this.last ?? to, radius = Number(this.radius.value), [dx, dy] = [to[0] - x, to[1] - y];
    const count = Math.max(1, Math.ceil(Math.hypot(dx, dy) / Math.max(2, (0.5 * radius) / this.wall!.axes().mmPerPixel)));
    for (let i = 1; i <= count; i++) {
      const touch = this.wall!.touched(x + (dx * i) / count, y + (dy * i) / count);
      if (touch) for (const point of this.brush!.within(this.brush!.reach(touch, radius), radius)) this.label[point] = this.chosen;
    }
    this.last = to;
    unsaved.set(this.key, this.label);
    this.show();
  }

  private outline(at: [number, number] | null): void {
    const touch = at && this.wall?.touched(...at), radius = Number(this.radius.value);
    const points = touch ? this.brush!.rim(this.brush!.reach(touch, radius), radius) : [];
    this.wall?.mark([], points.length ? [{ points, step: 6, width: 2.5, color: RIM, through: false }] : []);
  }

  private keepBefore(): void {
    this.before.push(this.label.slice());
    if (this.before.length > STEPS_BACK) this.before.shift();
  }

  private undo(): void {
    const label = this.before.pop();
    if (!label) return;
    this.label = label;
    unsaved.set(this.key, label);
    this.show();
  }

  /** What the points of the drawn wall bear, on those of the lumen. */
  private ofLumen(): Uint8Array {
    return Uint8Array.from(decode(this.painting.shown_by), (point) => this.label[point] ?? 0);
  }
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function decode({ data }: Encoded): Uint32Array {
  return new Uint32Array(bytesOf(data).buffer);
}

function encode(bytes: Uint8Array): string {
  let text = "";
  for (const one of bytes) text += String.fromCharCode(one);
  return btoa(text);
}
