import { get, type Case, type Measure } from "../api";
import { element } from "../dom";
import { language, t } from "../texts";
import { has } from "./page";

/** Every number with its interval; its definition stands beside it on hover and on focus. */
export async function measuresPanel(one: Case, place: HTMLElement): Promise<void> {
  const measures = await get<Measure[]>(`/api/cases/${one.id}/measures?language=${language()}`);
  if (!measures.length) return place.replaceChildren();
  const search = element("input", { type: "search", placeholder: t("search_measures"), "aria-label": t("search_measures") });
  const groups = [...new Set(measures.map((measure) => measure.group))].map((group) =>
    element("tbody", {}, element("tr", {}, element("th", { colSpan: 4, scope: "rowgroup", className: "group" }, group)),
      ...measures.filter((measure) => measure.group === group).map(row)));
  search.addEventListener("input", () => {
    const wanted = search.value.toLowerCase();
    for (const group of groups) {
      const rows = [...group.rows].slice(1);
      for (const line of rows) line.hidden = !line.textContent?.toLowerCase().includes(wanted);
      group.hidden = rows.every((line) => line.hidden);
    }
  });
  const heads = [["", "quantity"], ["number", "value"], ["interval", "interval"], ["", "unit"]].map(([className, key]) =>
    element("th", { scope: "col", className }, t(`report.${key}`)));
  place.replaceChildren(element("div", { className: "row" }, element("h2", {}, t("measures")), element("span", { className: "grow" }), search),
    element("table", { className: "measures" }, element("thead", {}, element("tr", {}, ...heads)), ...groups),
    element("p", { className: "soft" }, t("report.interval_note")),
    intervals(one));
}

/** What the intervals of the flow's numbers hold, simulated or predicted. */
function intervals(one: Case): HTMLElement | string {
  if (has(one, "flow/hemodynamics.json")) return element("p", { className: "soft" }, t("report.flow_interval_note"));
  return has(one, "prediction/hemodynamics.json") ? element("p", { className: "soft" }, t("report.flow_interval_note_predicted")) : "";
}

function row(measure: Measure): HTMLTableRowElement {
  const { name, symbol, meaning, formula, source, shown } = measure, id = `about-${measure.id}`;
  const about = element("span", { className: "about", id, role: "tooltip" }, meaning, formula && element("code", {}, formula), source && element("small", {}, source));
  return element("tr", {},
    element("td", {}, element("span", { className: "term", tabIndex: 0, "aria-describedby": id }, name, " ", symbolOf(symbol)), about,
      shown.word && element("small", { className: "word" }, shown.word)),
    element("td", { className: "number" }, shown.value), element("td", { className: "interval" }, shown.interval), element("td", { className: "soft" }, shown.unit));
}

/** A symbol with what follows its underscore set low. */
function symbolOf(symbol: string): HTMLElement {
  const [letter, index] = symbol.split("_");
  return element("small", { className: "soft" }, letter, index && element("sub", {}, index));
}
