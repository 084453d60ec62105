// Corrections by hand on the surface itself: which ends are inlets, where the neck is, which aneurysm of a tree is meant, if any.
import { showWall, type Wall } from "../../../src/aneuflow/report/templates/viewer.js";
import { button, choice, element, labeled } from "../dom";
import { t } from "../texts";
import { cross, Cutter, dot, plus, unit, within, type Plane, type Vector } from "./neck";
import { viewerPlace, type Scene } from "./wall";

interface Encoded { type: string; data: string }
interface Cap { id: number; role: "inlet" | "outlet"; center: Vector; normal: Vector; radius: number; rim: Encoded }
export interface CorrectionScene extends Scene {
  caps: Cap[]; neck: { center: Vector; normal: Vector; radius: number; origin: string } | null;
  candidates?: { number: number; diameter: number }[];
}
interface GivenPlane { point_mm: Vector; normal: Vector }
export interface ModelTable { inlet_caps?: number[]; neck_plane?: GivenPlane | null; aneurysm?: "auto" | "none"; candidate?: number | null }
type Choice = "auto" | "plane" | "none" | `candidate-${number}`;

const INLET: [number, number, number, number] = [0.8, 0.22, 0.18, 1], OUTLET: typeof INLET = [0.16, 0.4, 0.74, 1];
const PLANE: typeof INLET = [0.95, 0.6, 0.1, 0.4], CUT: typeof INLET = [0.85, 0.35, 0, 1];
const STEEPEST = 75, DEGREE = Math.PI / 180;

export class Corrections {
  readonly place = element("div", { className: "correct" });
  private readonly wall: Wall | null;
  private readonly cutter: Cutter | null;
  private readonly inlets: Set<number>;
  private areInletsGiven: boolean;
  private isWaiting = false;
  private readonly base: Plane;
  private plane: Plane;
  private readonly radius: number;
  private readonly automatic: Float32Array | null;
  private readonly kind: HTMLSelectElement;
  private readonly tools = element("div", { className: "neck-tools" });
  private readonly said = element("p", { className: "soft", role: "status" });
  private readonly sliders: HTMLInputElement[];
  private readonly move = element("button", { type: "button", className: "handle", "aria-label": t("handle_move"), title: t("handle_move") });
  private readonly tilt = element("button", { type: "button", className: "handle tilt", "aria-label": t("handle_tilt"), title: t("handle_tilt") });
  private readonly ends: { cap: Cap; role: HTMLSelectElement; label: HTMLButtonElement }[];

  /** `lay` puts the part on the page, where the viewer can measure its place. */
  constructor(private readonly scene: CorrectionScene, private readonly now: ModelTable, lay: (part: HTMLElement) => void) {
    const { root, stage } = viewerPlace(scene, t("correct_label"), t("correct_help"));
    this.place.append(root);
    lay(this.place);
    const rims = scene.caps.map((cap) => decode(cap.rim)), given = now.neck_plane ?? null, { neck } = scene;
    this.radius = neck?.radius ?? 2;
    this.base = neck ? { point: neck.center, normal: unit(neck.normal) } : { point: [0, 0, 0], normal: [0, 0, 1] };
    if (given) this.base = { point: plus(given.point_mm, scene.center, -1), normal: unit(given.normal) };
    this.plane = this.base;
    this.inlets = new Set(scene.caps.filter((cap) => cap.role === "inlet").map((cap) => cap.id));
    this.areInletsGiven = Boolean(now.inlet_caps?.length);
    const candidates = (scene.candidates ?? []).map(({ number, diameter }): [Choice, string] =>
      [`candidate-${number}`, t("option_candidate", { number, diameter: diameter.toFixed(1) })]);
    this.kind = choice([["auto", t("option_auto")], ...candidates, ["plane", t("option_plane")], ["none", t("option_none")]],
      now.aneurysm === "none" ? "none" : given ? "plane" : now.candidate ? `candidate-${now.candidate}` : "auto", { name: "model.aneurysm", onchange: () => this.show() });
    this.sliders = [this.slider("neck_shift", "mm", 6, 0.05), this.slider("neck_tilt", "°", STEEPEST, 1), this.slider("neck_tilt_across", "°", STEEPEST, 1)];
    this.ends = scene.caps.map((cap) => this.end(cap));
    this.wall = showWall(root, structuredClone(scene));
    this.cutter = this.wall && new Cutter(this.wall.points, this.wall.triangles);
    this.automatic = this.wall && decode((scene as unknown as { fields: { values: Encoded }[] }).fields[0]!.values);
    this.capFaces = () => this.ends.map(({ cap, role }, i) => ({ points: fan(cap.center, rims[i]!), color: role.value === "inlet" ? INLET : OUTLET }));
    stage.append(...this.ends.map(({ label }) => label), this.move, this.tilt);
    this.listen(stage);
    this.layOut();
    this.wall?.whenDrawn(() => this.follow());
    this.place.classList.toggle("is-still", !this.wall);
    this.show();
  }

  private readonly capFaces: () => { points: number[]; color: typeof INLET }[];

  /** What differs from the case's settings of its model. Throws where no end, or every end, is an inlet. */
  changes(): ModelTable {
    const found: ModelTable = {}, kind = this.kind.value as Choice, before = this.now;
    if (!this.inlets.size || this.inlets.size === this.scene.caps.length) throw new Error(t("correct_inlets_wrong"));
    const inlets = this.areInletsGiven ? [...this.inlets].sort((a, b) => a - b) : [];
    if (String(inlets) !== String(before.inlet_caps ?? [])) found.inlet_caps = inlets;
    const plane = kind === "plane" ? this.given() : null;
    if (JSON.stringify(plane) !== JSON.stringify(before.neck_plane ?? null)) found.neck_plane = plane;
    const candidate = kind.startsWith("candidate-") ? Number(kind.slice("candidate-".length)) : null;
    if (candidate !== (before.candidate ?? null)) {
      found.candidate = candidate;
      // Ends are counted in the region around a candidate; around another one they are other ends.
      delete found.inlet_caps;
      if (before.inlet_caps?.length) found.inlet_caps = [];
    }
    if ((kind === "none") !== (before.aneurysm === "none")) found.aneurysm = kind === "none" ? "none" : "auto";
    return found;
  }

  free(): void {
    this.wall?.free();
  }

  private given(): GivenPlane {
    if (this.plane === this.base && this.now.neck_plane) return this.now.neck_plane;
    const rounded = (vector: Vector, digits: number) => vector.map((x) => Number(x.toFixed(digits))) as Vector;
    return { point_mm: rounded(plus(this.plane.point, this.scene.center), 3), normal: rounded(this.plane.normal, 5) };
  }

  // ---- the form
  private end(cap: Cap): { cap: Cap; role: HTMLSelectElement; label: HTMLButtonElement } {
    const set = (value: string) => {
      role.value = value;
      if (value === "inlet") this.inlets.add(cap.id);
      else this.inlets.delete(cap.id);
      this.areInletsGiven = true;
      this.show();
    };
    const role = choice([["inlet", t("option_inlet")], ["outlet", t("option_outlet")]], cap.role, { name: `model.end.${cap.id}`, onchange: () => set(role.value) });
    const label = button("", () => set(role.value === "inlet" ? "outlet" : "inlet"), { className: "end-label", title: t("end_turn") });
    return { cap, role, label };
  }

  private slider(name: string, unit: string, most: number, step: number): HTMLInputElement {
    const made = element("input", { type: "range", min: String(-most), max: String(most), step: String(step), value: "0", name: `model.${name}`,
      "aria-label": `${t(name)} (${unit})`, oninput: () => this.take(this.fromSliders()) });
    return made;
  }

  private layOut(): void {
    const ends = this.ends.map(({ cap, role }) => labeled(t("correct_end", { id: cap.id, diameter: (2 * cap.radius).toFixed(1) }), role));
    const names = ["neck_shift", "neck_tilt", "neck_tilt_across"];
    this.place.querySelector(".controls")!.append(
      button(t("neck_draw"), () => this.place.classList.add("drawing"), { name: "draw" }),
      button(t("neck_flip"), () => this.take({ ...this.plane, normal: this.plane.normal.map((x) => -x) as Vector }), { name: "flip" }));
    this.tools.append(
      element("div", { className: "fields" }, ...this.sliders.map((slider, i) => labeled(t(names[i]!), slider))), this.said);
    this.place.append(element("fieldset", { className: "part" }, element("legend", {}, t("correct_ends")), element("div", { className: "fields" }, ...ends)),
      element("fieldset", { className: "part" }, element("legend", {}, t("correct_aneurysm")),
        element("div", { className: "fields" }, labeled(t("correct_neck"), this.kind)), this.tools));
  }

  // ---- the plane
  /** Another plane is meant from now on. */
  private take(plane: Plane): void {
    this.plane = plane;
    this.kind.value = "plane";
    if (!this.isWaiting) requestAnimationFrame(() => { this.isWaiting = false; this.show(); });
    this.isWaiting = true;
  }

  /** How far the plane is from where it began: along its first normal in mm, and tilted two ways in degrees. */
  private offsets(): number[] {
    const { point, normal } = this.base, n = this.plane.normal, ahead = dot(n, normal);
    const angle = (way: Vector) => Math.max(-STEEPEST, Math.min(STEEPEST, Math.atan2(dot(n, way), Math.abs(ahead)) / DEGREE));
    return [dot(plus(this.plane.point, point, -1), normal), ...within(normal).map(angle)];
  }

  private fromSliders(): Plane {
    const [shift, first, second] = this.sliders.map((slider) => Number(slider.value)) as Vector, { normal } = this.base;
    const [u, v] = within(normal), before = this.offsets()[0]!, sign = Math.sign(dot(this.plane.normal, normal)) || 1;
    const turned = plus(plus(normal.map((x) => sign * x) as Vector, u, Math.tan(first * DEGREE)), v, Math.tan(second * DEGREE));
    return { point: plus(this.plane.point, normal, shift - before), normal: unit(turned) };
  }

  private show(): void {
    for (const { cap, role, label } of this.ends) {
      label.textContent = `${cap.id} ${t(`option_${role.value}`)}`;
      label.classList.toggle("is-inlet", role.value === "inlet");
    }
    const kind = this.kind.value as Choice, isPlane = kind === "plane";
    this.tools.classList.toggle("is-idle", !isPlane);
    const hasPlane = kind !== "none" && (isPlane || this.scene.neck !== null);
    this.move.hidden = this.tilt.hidden = !hasPlane;
    this.offsets().forEach((value, i) => { if (document.activeElement !== this.sliders[i]) this.sliders[i]!.value = String(value); });
    if (!this.wall || !this.cutter) return;
    // What the case's own plane parts off is known.
    const cut = isPlane && (this.plane !== this.base || !this.now.neck_plane) ? this.cutter.sac(this.plane) : null, faces = [...this.capFaces()], paths = [];
    if (hasPlane) {
      const { point, normal } = this.plane, size = 1.5 * this.radius;
      if (isPlane) paths.push({ points: this.cutter.line(this.plane, 2 * this.radius), step: 6 as const, width: 3, color: CUT, through: false });
      paths.push({ points: [...point, ...plus(point, normal, size)], step: 3 as const, width: 2.5, color: CUT, through: true });
      faces.push({ points: disc(this.plane, size), color: PLANE });
    }
    this.wall.mark(faces, paths);
    this.wall.paint(cut ? cut.region : kind === "none" ? new Float32Array(this.automatic!.length) : this.automatic!);
    this.said.textContent = !cut ? "" : cut.found ? t("neck_numbers", { numbers: this.numbers() }) : t("neck_nothing");
    this.said.classList.toggle("error", Boolean(cut && !cut.found));
  }

  private numbers(): string {
    const { point_mm, normal } = this.given();
    return [...point_mm.map((x) => x.toFixed(2)), ...normal.map((x) => x.toFixed(3))].join(",");
  }

  // ---- on the picture
  private tip(): Vector {
    return plus(this.plane.point, this.plane.normal, 1.5 * this.radius);
  }

  /** Keep labels and handles where the picture has what they stand for. */
  private follow(): void {
    if (!this.wall) return;
    const set = (one: HTMLElement, point: Vector) => {
      const [x, y] = this.wall!.place(point);
      one.style.transform = `translate(${x}px, ${y}px)`;
    };
    for (const { cap, label } of this.ends) set(label, plus(cap.center, cap.normal, cap.radius));
    set(this.move, this.plane.point);
    set(this.tilt, this.tip());
  }

  private listen(stage: HTMLElement): void {
    this.drag(this.move, (by) => ({ ...this.plane, point: plus(this.plane.point, by) }));
    this.drag(this.tilt, (by) => ({ ...this.plane, normal: unit(plus(plus(this.tip(), by), this.plane.point, -1)) }));
    this.move.addEventListener("keydown", (event) => this.step(event, 0.1, (x, y) =>
      ({ ...this.plane, point: plus(plus(this.plane.point, this.plane.normal, y), this.wall!.axes().right, x) })));
    this.tilt.addEventListener("keydown", (event) => this.step(event, 2 * DEGREE, (x, y) => {
      const { right, up } = this.wall!.axes();
      return { ...this.plane, normal: unit(plus(plus(this.plane.normal, right, x), up, y)) };
    }));
    const line = element("i", { className: "drawn-line" }), sheet = element("div", { className: "sheet" }, line, element("span", {}, t("neck_draw_help")));
    let start: [number, number] | null = null;
    const at = (event: PointerEvent): [number, number] => {
      const box = sheet.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    sheet.addEventListener("pointerdown", (event) => { start = at(event); sheet.setPointerCapture(event.pointerId); });
    sheet.addEventListener("pointermove", (event) => {
      if (!start) return;
      const [x, y] = at(event), [dx, dy] = [x - start[0], y - start[1]];
      line.style.width = `${Math.hypot(dx, dy)}px`;
      line.style.transform = `translate(${start[0]}px, ${start[1]}px) rotate(${Math.atan2(dy, dx)}rad)`;
    });
    sheet.addEventListener("pointerup", (event) => {
      if (start && Math.hypot(at(event)[0] - start[0], at(event)[1] - start[1]) > 8) this.take(this.across(start, at(event)));
      start = null;
      line.style.width = "0";
      this.place.classList.remove("drawing");
    });
    addEventListener("keydown", (event) => { if (event.key === "Escape") this.place.classList.remove("drawing"); });
    stage.append(sheet);
  }

  /** The plane that looks like this line from where one looks, in the middle of the wall under it, its normal away from the ends. */
  private across([x0, y0]: [number, number], [x1, y1]: [number, number]): Plane {
    const { right, up, eye, focus, mmPerPixel } = this.wall!.axes(), [x, y] = [(x0 + x1) / 2, (y0 + y1) / 2];
    const seen = this.wall!.depths(x, y), depth = seen.length > 1 ? (seen[0]! + seen[1]!) / 2 : dot(plus(this.plane.point, focus, -1), eye);
    const [fx, fy] = this.wall!.place(focus);
    const point = plus(plus(plus(focus, right, (x - fx) * mmPerPixel), up, (fy - y) * mmPerPixel), eye, depth);
    let normal = unit(cross(plus(right.map((r) => r * (x1 - x0)) as Vector, up, y0 - y1), eye));
    const beyond = this.scene.caps.filter((cap) => dot(plus(cap.center, point, -1), normal) > 0).length;
    if (2 * beyond > this.scene.caps.length) normal = normal.map((n) => -n) as Vector;
    return { point, normal };
  }

  private drag(handle: HTMLElement, moved: (by: Vector) => Plane): void {
    let last: [number, number] | null = null;
    handle.addEventListener("pointerdown", (event) => { last = [event.clientX, event.clientY]; handle.setPointerCapture(event.pointerId); });
    for (const end of ["pointerup", "pointercancel"]) handle.addEventListener(end, () => { last = null; });
    handle.addEventListener("pointermove", (event) => {
      if (!last || !this.wall) return;
      const { right, up, mmPerPixel } = this.wall.axes(), [x, y] = [event.clientX - last[0], last[1] - event.clientY];
      last = [event.clientX, event.clientY];
      this.take(moved(plus(right.map((r) => r * x * mmPerPixel) as Vector, up, y * mmPerPixel)));
    });
  }

  private step(event: KeyboardEvent, size: number, moved: (x: number, y: number) => Plane): void {
    const ways: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const way = ways[event.key];
    if (!way) return;
    event.preventDefault();
    this.take(moved(size * way[0], size * way[1]));
  }
}

function decode({ data }: Encoded): Float32Array {
  return new Float32Array(Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0)).buffer);
}

/** Triangles from a middle to a closed rim. */
function fan(middle: Vector, rim: ArrayLike<number>): number[] {
  const found: number[] = [], corner = (i: number) => [rim[3 * i]!, rim[3 * i + 1]!, rim[3 * i + 2]!], count = rim.length / 3;
  for (let i = 0; i < count; i++) found.push(...middle, ...corner(i), ...corner((i + 1) % count));
  return found;
}

function disc({ point, normal }: Plane, radius: number): number[] {
  const [u, v] = within(normal), count = 48;
  const rim = Array.from({ length: count }, (_, i) => {
    const angle = (2 * Math.PI * i) / count;
    return plus(plus(point, u, radius * Math.cos(angle)), v, radius * Math.sin(angle));
  });
  return fan(point, rim.flat());
}
