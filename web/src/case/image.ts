// The angiogram in three planes that share one crosshair, with the lumen laid over it.
import type { Niivue } from "@niivue/niivue";
import { address } from "../address";
import type { Case } from "../api";
import { attempt } from "../api";
import { button, element, labeled } from "../dom";
import { t } from "../texts";
import { fileOf, has } from "./page";
import { sceneOf } from "./wall";

const LIGHT = "views/image.nii.gz", WHOLE = "image/volume.nii.gz", LABELS = "segmentation/labels.nii.gz";
const STEPS: Record<string, [number, number, number]> = {
  ArrowLeft: [-1, 0, 0], ArrowRight: [1, 0, 0], ArrowDown: [0, -1, 0], ArrowUp: [0, 1, 0], PageDown: [0, 0, -1], PageUp: [0, 0, 1],
};

interface Location { mm: ArrayLike<number>; values: { value: number }[] }

/** Where the crosshair stands, from the patient's point of view, and the image's value there. */
function placeOf({ mm, values }: Location): string {
  const sides = [["R", "L"], ["A", "P"], ["S", "I"]].map(([more, less], axis) => {
    const at = mm[axis] ?? 0;
    return `${at >= 0 ? more : less} ${Math.abs(at).toFixed(1)}`;
  });
  return `${sides.join("  ")} mm: ${Math.round(values[0]?.value ?? 0)}`;
}

export async function imagePanel(one: Case, place: HTMLElement): Promise<void> {
  const { Niivue, MULTIPLANAR_TYPE, SHOW_RENDER, SLICE_TYPE, DRAG_MODE } = await import("@niivue/niivue");
  const canvas = element("canvas", { tabIndex: 0, role: "application", "aria-label": t("image_label") });
  const position = element("output", { className: "soft" });
  place.replaceChildren(element("h2", {}, t("report.image")));
  if (!document.createElement("canvas").getContext("webgl2")) return void place.append(element("p", { className: "soft" }, t("no_webgl")));
  const controls = element("div", { className: "controls" });
  place.append(element("div", { className: "panel" }, controls, element("div", { className: "planes" }, canvas), element("p", { className: "help" }, position, " ", t("image_help"))));
  const viewer = new Niivue({
    dragAndDropEnabled: false, loadingText: "", backColor: [0.06, 0.07, 0.09, 1], crosshairColor: [0.95, 0.6, 0.1, 0.9], crosshairWidth: 0.6,
    dragMode: DRAG_MODE.contrast, multiplanarShowRender: SHOW_RENDER.NEVER, multiplanarLayout: MULTIPLANAR_TYPE.AUTO, sliceType: SLICE_TYPE.MULTIPLANAR,
    isColorbar: false, viewModeHotKey: "", clipPlaneHotKey: "", logLevel: "error", isOrientCube: false, fontMinPx: 16, fontColor: [1, 0.85, 0.4, 1],
    isRadiologicalConvention: true, sagittalNoseLeft: true, showAllOrientationMarkers: true,
  });
  await viewer.attachToCanvas(canvas);
  viewer.onLocationChange = (location: unknown) => { position.textContent = placeOf(location as Location); };
  await viewer.loadVolumes([{ url: address(fileOf(one, LIGHT)), name: "image.nii.gz" }]);
  viewer.createOnLocationChange();
  controls.append(...windowFields(viewer), ...overlay(one, viewer), ...sacButton(one, viewer), ...wholeButton(one, viewer));
  canvas.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    viewer.moveCrosshairInVox(...step);
  });
}

/** Window and level by two numbers; a drag with the right button sets them too. */
function windowFields(viewer: Niivue): HTMLElement[] {
  const [low, high] = ["cal_min", "cal_max"].map((name) => element("input", { type: "number", step: "any", name, className: "short" }));
  const show = () => {
    const volume = viewer.volumes[0];
    if (!volume || !low || !high) return;
    low.value = String(Math.round(volume.cal_min ?? 0));
    high.value = String(Math.round(volume.cal_max ?? 0));
  };
  const set = () => {
    const volume = viewer.volumes[0], bounds = [low, high].map((input) => Number(input?.value));
    if (!volume || !(bounds[0]! < bounds[1]!)) return show();
    [volume.cal_min, volume.cal_max] = bounds;
    viewer.updateGLVolume();
  };
  for (const input of [low, high]) input?.addEventListener("change", set);
  viewer.onIntensityChange = show;
  show();
  return [labeled(t("window_from"), low!), labeled(t("window_to"), high!)];
}

function overlay(one: Case, viewer: Niivue): HTMLElement[] {
  if (!has(one, LABELS)) return [];
  const box = element("input", { type: "checkbox", name: "overlay" });
  box.addEventListener("change", () => attempt(async () => {
    if (viewer.volumes.length < 2) {
      await viewer.addVolumesFromUrl([{ url: address(fileOf(one, LABELS)), name: "labels.nii.gz", colormap: "warm", opacity: 0.45, cal_min: 0.5, cal_max: 2 }]);
    } else viewer.setOpacity(1, box.checked ? 0.45 : 0);
  }));
  return [labeled(t("overlay"), box)];
}

function sacButton(one: Case, viewer: Niivue): HTMLElement[] {
  return [button(t("to_the_sac"), () => attempt(async () => {
    const { center, views } = await sceneOf(one);
    const focus = views[0]?.focus ?? [0, 0, 0];
    const [left, back, up] = [0, 1, 2].map((axis) => center[axis]! + focus[axis]!) as [number, number, number];
    // The scene is in the patient's LPS, NiiVue in RAS.
    viewer.scene.crosshairPos = viewer.mm2frac([-left, -back, up]);
    viewer.createOnLocationChange();
    viewer.drawScene();
  }), { hidden: !one.diameter_mm || !one.files.some((file) => file.path.startsWith("views/scene.")) })];
}

/** The first look is at a thinned image; this brings the whole. */
function wholeButton(one: Case, viewer: Niivue): HTMLElement[] {
  if (!has(one, WHOLE)) return [];
  const made = button(t("whole_image"), () => attempt(async () => {
    made.disabled = true;
    const before = viewer.volumes[0];
    const [low, high] = [before?.cal_min, before?.cal_max];
    await viewer.loadVolumes([{ url: address(fileOf(one, WHOLE)), name: "volume.nii.gz", ...(low === undefined ? {} : { cal_min: low }), ...(high === undefined ? {} : { cal_max: high }) }]);
  }));
  return [made];
}
