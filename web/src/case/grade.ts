import { get, isHiding, type Case, type GradeWords } from "../api";
import { button, element, table } from "../dom";
import { language, t } from "../texts";
import { askingPanel, judgedBeside } from "./judgement";

/** What the grade rests on, then the grade, what would change it, and what it does not say. */
export async function gradePanel(one: Case, place: HTMLElement): Promise<void> {
  if (isHiding(one)) return askingPanel(one, place);
  const grade = await get<GradeWords | null>(`/api/cases/${one.id}/grade?language=${language()}`);
  if (!grade) return place.replaceChildren();
  const { verdict, why, evidence, points, changes, changes_none, regions, not_looked_for, scores, left_out, resemblance, plain } = grade;
  const more = (title: string, ...content: (Node | string)[]) => element("details", {}, element("summary", {}, title), ...content);
  const soft = (sentence: string) => element("p", { className: "soft" }, sentence), wide = (...made: Node[]) => element("div", { className: "scroll" }, ...made);
  const judged = await judgedBeside(one, element("div", {}, element("p", { className: "headline" }, verdict),
    why.length ? element("ul", {}, ...why.map((line) => element("li", {}, line))) : ""));
  // As in the report: what was found comes before what is made of it.
  place.replaceChildren(element("h2", {}, t("risk.grade")), soft(t("risk.wording")),
    more(`${t("risk.regions")} (${regions.length})`, regions.length ? wide(regionTable(grade)) : element("p", {}, t(grade.flow_used ? "risk.regions_none" : "risk.regions_no_flow")),
      not_looked_for && soft(t("risk.regions_missing", { kinds: not_looked_for }))),
    more(t("risk.scores"), soft(`${t("risk.scores_lead")} ${grade.sites}`),
      wide(table([t("risk.score"), t("risk.points"), t("risk.means"), t("risk.missing")], scores.map((score) =>
        [score.name, score.points.join("; ") || "–", score.refused || score.outcomes.join("; "), score.missing || "–"]))),
      ...left_out.map(soft), resemblance ? element("p", {}, resemblance.sentence) : ""),
    wide(table([t("risk.evidence"), t("risk.found"), t("risk.points")], evidence, { className: "evidence" })), soft(points),
    judged, element("div", { className: "plain-words" }, element("h3", {}, t("risk.plain")), element("p", {}, plain)),
    more(t("risk.changes"), changes.length ? wide(table([t("risk.changes"), t("risk.then")], changes)) : element("p", {}, changes_none)));
}

function regionTable({ regions }: GradeWords): HTMLElement {
  const rows = regions.map((region, index) => {
    const swatch = element("i", { className: "swatch" });
    swatch.style.background = region.color;
    // The wall's viewer finds these buttons by their class and turns to the region.
    const show = button(t("risk.show"), () => undefined, { className: "show-region", "data-spot": index });
    return [element("span", {}, swatch, region.kind), region.place, region.area, region.shear, region.stability, show];
  });
  return table([t("risk.region"), t("risk.place"), t("risk.area"), t("risk.shear"), t("risk.stability"), ""], rows);
}
