// The vessel's wall in three dimensions, by the report's own viewer from the scene that was made beside the report.
import { showWall, type Wall } from "../../../src/aneuflow/report/templates/viewer.js";
import { get, type Case } from "../api";
import { element } from "../dom";
import { language, t } from "../texts";
import { flowControls } from "./flow";
import { fileOf } from "./page";

export interface Scene { center: [number, number, number]; views: { focus: number[] }[]; thinned: boolean }

const scenes = new Map<string, Promise<Scene>>();

/** The scene of a case; asked for once while its results stand. */
export function sceneOf(one: Case): Promise<Scene> {
  const key = `${one.id}${language()}${one.judgement}${JSON.stringify(one.stages)}`;
  let scene = scenes.get(key);
  if (!scene) {
    scenes.clear();
    scene = get<Scene>(fileOf(one, `views/scene.${language()}.json.gz`));
    scenes.set(key, scene);
  }
  return scene;
}

/** The places the viewer looks for, and that of the picture among them. */
export function viewerPlace(scene: Scene, label: string, help: string): { root: HTMLElement; stage: HTMLElement } {
  const letters = ["left", "right", "top", "bottom"].map((side) => element("span", { className: `letter at-${side}` }));
  const stage = element("div", { className: "stage-area" }, element("canvas", { tabIndex: 0, role: "application", "aria-label": label }), ...letters,
    element("div", { className: "tip", role: "status", hidden: true }));
  const root = element("div", { className: "viewer" },
    element("p", { className: "viewer-missing", hidden: true }, t("viewer.missing")), element("div", { className: "controls" }), stage,
    element("div", { className: "color-bar" }), element("p", { className: "help" }, help + (scene.thinned ? ` ${t("viewer.thinned")}` : "")));
  return { root, stage };
}

const shown = new WeakMap<HTMLElement, Wall>();

export async function wallPanel(one: Case, place: HTMLElement): Promise<void> {
  const scene = await sceneOf(one), { root, stage } = viewerPlace(scene, t("viewer.label"), t("viewer.help"));
  root.id = "viewer";
  shown.get(place)?.free();
  shown.delete(place);
  place.replaceChildren(element("h2", {}, t("report.wall")), root);
  // The viewer puts its arrays in place of the encoded ones.
  const wall = showWall(root, structuredClone(scene));
  if (!wall) return;
  shown.set(place, wall);
  const flow = flowControls(one, wall);
  if (!flow) return;
  root.querySelector(".controls")?.append(flow.chosen);
  stage.before(flow.steering);
}
