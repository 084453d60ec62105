// Marks that move with the blood inside the wall, along paths that were computed beside the report.
import { attempt, get, type Case } from "../api";
import { button, choice, element } from "../dom";
import { t } from "../texts";
import type { Encoded, Wall } from "../../../src/aneuflow/report/templates/viewer.js";
import { fileOf, has } from "./page";

const FILE = "views/flow.json.gz";
const MARKS = 1500, MOST_ON_A_PATH = 30, MARK_PIXELS = 5;
const PACES: [value: string, slower: number][] = [["5", 5], ["10", 10], ["20", 20], ["50", 50], ["200", 200]];
const FIRST_PACE = "20";

/** What `report/flow_paths.py` writes: times are in ms, points in mm, speeds in m/s. */
interface Paths {
  points: Encoded; times: Encoded; colors: Encoded; starts: number[]; range: [number, number];
  pace: { period_ms: number; inflow: number[] } | null;
}

/** The choice among the viewer's controls that shows the flow, and the place where it is steered. */
export function flowControls(one: Case, wall: Wall): { chosen: HTMLElement; steering: HTMLElement } | null {
  if (!has(one, FILE)) return null;
  const box = element("input", { type: "checkbox", name: "flow" }), steering = element("div", { className: "flow", hidden: true });
  let moving: Moving | null = null;
  box.addEventListener("change", () => attempt(async () => {
    if (box.checked && !moving) moving = new Moving(await get<Paths>(fileOf(one, FILE)), wall, steering);
    steering.hidden = !box.checked;
    moving?.show(box.checked);
  }));
  return { chosen: element("label", {}, box, ` ${t("flow_shown")}`), steering };
}

class Moving {
  private readonly points: Float32Array;
  private readonly times: Float32Array;
  private readonly colors: Uint8Array;
  /** For each mark the path it is on, and when it was at the path's start. */
  private readonly marks: { start: number; stop: number; length: number; offset: number }[] = [];
  private readonly places: Float32Array;
  private readonly tints: Float32Array;
  private readonly phase: { at: SVGElement; said: HTMLElement } | null;
  private isShown = false;
  private isRunning = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  private slower = Number(FIRST_PACE);
  /** How long the blood has moved by its mean pace, and how long the heart has beaten, ms. */
  private moved = 0;
  private beaten = 0;
  private last = 0;

  constructor(private readonly paths: Paths, private readonly wall: Wall, private readonly steering: HTMLElement) {
    this.points = wall.decode(paths.points);
    this.times = wall.decode(paths.times);
    this.colors = wall.decode(paths.colors);
    this.spread();
    this.places = new Float32Array(3 * this.marks.length);
    this.tints = new Float32Array(3 * this.marks.length);
    this.phase = this.steer();
  }

  show(isShown: boolean): void {
    this.isShown = isShown;
    if (!isShown) return this.wall.fill(null);
    this.last = 0;
    requestAnimationFrame((now) => this.step(now));
  }

  /** As many marks on each path as it takes time to pass, at equal times from each other: as blood that flows steadily would lie. */
  private spread(): void {
    const { starts } = this.paths, lengths = starts.slice(1).map((stop) => this.times[stop - 1] ?? 0);
    const apart = lengths.reduce((sum, length) => sum + length, 0) / MARKS;
    lengths.forEach((length, path) => {
      const count = Math.min(MOST_ON_A_PATH, Math.max(1, Math.round(length / apart)));
      // Paths of neighbors must not beat in step; the golden ratio puts them apart, the same way each time.
      const shift = (path * 0.618034) % 1;
      for (let i = 0; i < count; i++) this.marks.push({ start: starts[path]!, stop: starts[path + 1]!, length, offset: ((i + shift) * length) / count });
    });
  }

  private step(now: number): void {
    if (!this.isShown || !this.steering.isConnected) return;
    // After a pause or in a hidden page nothing jumps.
    const passed = this.last && this.isRunning ? Math.min(100, now - this.last) / this.slower : 0;
    this.last = now;
    this.beaten += passed;
    const pace = this.pace();
    this.moved += passed * pace;
    this.place(Math.abs(pace));
    this.wall.fill(this.places, this.tints, MARK_PIXELS);
    this.showPhase();
    requestAnimationFrame((next) => this.step(next));
  }

  /** The inflow of this moment by its mean. */
  private pace(): number {
    const { pace } = this.paths;
    if (!pace) return 1;
    const at = ((this.beaten / pace.period_ms) % 1) * pace.inflow.length, index = Math.floor(at), { inflow } = pace;
    const from = inflow[index] ?? 1, to = inflow[(index + 1) % inflow.length] ?? 1;
    return from + (at - index) * (to - from);
  }

  private place(pace: number): void {
    const { points, times, places, tints, colors } = this, [low, high] = this.paths.range;
    this.marks.forEach(({ start, stop, length, offset }, mark) => {
      const at = (((this.moved + offset) % length) + length) % length;
      let before = start, after = stop - 1;
      while (after - before > 1) {
        const middle = (before + after) >> 1;
        if (times[middle]! <= at) before = middle;
        else after = middle;
      }
      const took = times[after]! - times[before]!, part = (at - times[before]!) / took;
      let way = 0;
      for (let axis = 0; axis < 3; axis++) {
        const from = points[3 * before + axis]!, along = points[3 * after + axis]! - from;
        places[3 * mark + axis] = from + part * along;
        way += along * along;
      }
      const level = (pace * Math.sqrt(way) / took - low) / (high - low), color = 3 * Math.round(255 * Math.min(1, Math.max(0, level)));
      for (let part = 0; part < 3; part++) tints[3 * mark + part] = colors[color + part]! / 255;
    });
  }

  private steer(): { at: SVGElement; said: HTMLElement } | null {
    const { pace, range } = this.paths;
    const run = button(t(this.isRunning ? "flow_pause" : "flow_run"), () => {
      this.isRunning = !this.isRunning;
      run.textContent = t(this.isRunning ? "flow_pause" : "flow_run");
    }, { name: "flow_run" });
    const slower = choice(PACES.map(([value, count]) => [value, t("flow_slower", { count })]), FIRST_PACE,
      { name: "flow_pace", "aria-label": t("flow_pace"), onchange: () => { this.slower = Number(slower.value); } });
    const band = element("span", { className: "band" }), stops = [0, 51, 102, 153, 204, 255].map((at) => `rgb(${this.colors.slice(3 * at, 3 * at + 3).join(",")})`);
    band.style.background = `linear-gradient(to right, ${stops.join(",")})`;
    const speeds = element("span", { className: "speeds" }, `${t("flow_speed")} `, range[0].toFixed(1), band, `${range[1].toFixed(2)} m/s`);
    const curve = pace && inflowCurve(pace.inflow);
    this.steering.replaceChildren(element("div", { className: "row" }, run, slower, speeds, curve?.picture, curve?.said),
      element("p", { className: "help" }, t(pace ? "flow_mean" : "flow_steady")));
    return curve;
  }

  private showPhase(): void {
    const { pace } = this.paths;
    if (!this.phase || !pace) return;
    const at = (this.beaten / pace.period_ms) % 1;
    this.phase.at.setAttribute("transform", `translate(${(118 * at + 1).toFixed(1)} 0)`);
    this.phase.said.textContent = `${(at * pace.period_ms / 1000).toFixed(2)} s`;
  }
}

/** The inflow over the cycle, with the line that says which moment is shown. */
function inflowCurve(inflow: number[]): { picture: SVGElement; at: SVGElement; said: HTMLElement } {
  const space = "http://www.w3.org/2000/svg", made = <K extends "svg" | "polyline" | "line">(name: K) => document.createElementNS(space, name);
  const picture = made("svg"), line = made("polyline"), at = made("line"), high = Math.max(...inflow), low = Math.min(0, ...inflow);
  line.setAttribute("points", [...inflow, inflow[0]!].map((value, index) => `${(118 * index) / inflow.length + 1},${46 - (44 * (value - low)) / (high - low)}`).join(" "));
  for (const [name, value] of [["x1", "0"], ["x2", "0"], ["y1", "0"], ["y2", "48"], ["class", "moment"]] as const) at.setAttribute(name, value);
  picture.setAttribute("viewBox", "0 0 120 48");
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", t("flow_inflow"));
  picture.append(line, at);
  return { picture, at, said: element("output", { className: "soft" }) };
}
