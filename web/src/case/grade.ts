import { get, isHiding, type Case, type GradeWords } from "../api";
import { button, element, table } from "../dom";
import { language, t } from "../texts";
import { askingPanel, judgedBeside } from "./judgement";

/** The grade with what it rests on, what would change it, and what it does not say. */
export async function gradePanel(one: Case, place: HTMLElement): Promise<void> {
  if (isHiding(one)) return askingPanel(one, place);
  const grade = await get<GradeWords | null>(`/api/cases/${one.id}/grade?language=${language()}`);
  if (!grade) return place.replaceChildren();
  const { verdict, why, evidence, points, changes, regions, scores, resemblance, plain } = grade;
  const more = (title: string, ...content: (Node | string)[]) => element("details", {}, element("summary", {}, title), ...content);
  const judged = await judgedBeside(one, element("p", { className: "headline" }, verdict));
  place.replaceChildren(element("h2", {}, t("risk.grade")), judged,
    why.length ? element("ul", {}, ...why.map((line) => element("li", {}, line))) : "",
    element("div", { className: "plain-words" }, element("h3", {}, t("risk.plain")), element("p", {}, plain)),
    more(t("risk.evidence"), table([t("risk.evidence"), t("risk.found"), t("risk.points")], evidence), element("p", { className: "soft" }, points)),
    more(t("risk.changes"), changes.length ? table([t("risk.changes"), t("risk.then")], changes) : element("p", {}, t("risk.changes_none"))),
    more(`${t("risk.regions")} (${regions.length})`, regions.length ? regionTable(grade) : element("p", {}, t(grade.flow_used ? "risk.regions_none" : "risk.regions_no_flow"))),
    more(t("risk.scores"), element("p", { className: "soft" }, t("risk.scores_lead"), " ", grade.sites),
      table([t("risk.score"), t("risk.points"), t("risk.means"), t("risk.missing")], scores.map((score) =>
        [score.name, score.points.join("; ") || "–", score.refused || score.outcomes.join("; "), score.missing || "–"])),
      resemblance ? element("p", {}, resemblance.sentence) : ""),
    element("p", { className: "soft" }, t("risk.wording")));
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
