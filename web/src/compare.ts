// Two examinations of one patient: has the sac grown, where, and which measures changed by more than their errors.
import { showWall, type Wall } from "../../src/aneuflow/report/templates/viewer.js";
import { attempt, get, save, type Case, type CaseLine } from "./api";
import { button, choice, element, say, table } from "./dom";
import { language, t } from "./texts";
import { fileOf, has } from "./case/page";
import { viewerPlace, type Scene } from "./case/wall";

interface Row { name: string; symbol: string; first: string; second: string; change: string; interval: string; unit: string; word: string; beyond_error: boolean }
interface Growth { headline: string[]; tables: [group: string, rows: Row[]][]; method: string[]; scene: Scene }

/** Where an earlier or later examination is chosen, on the page of a case. */
export async function comparePanel(one: Case, place: HTMLElement): Promise<void> {
  if (one.project_id === "" || !has(one, "model/lumen.vtp")) return place.replaceChildren();
  const search = element("input", { type: "search", name: "compare_search", placeholder: t("search_label"), "aria-label": t("search_label") });
  const other = choice([], "", { name: "compare_with", "aria-label": t("compare_with") });
  const go = button(t("compare_go"), () => { location.hash = `#/compare/${other.value}/${one.id}`; }, { name: "compare" });
  const fill = async () => {
    const asked = new URLSearchParams({ search: search.value, sort: "created", page: "0" });
    const { cases } = await get<{ cases: CaseLine[] }>(`/api/cases?${asked}`);
    const offered = cases.filter((line) => line.id !== one.id && line.project_id === one.project_id && line.diameter_mm !== null);
    // What is named alike is most likely the same patient's.
    offered.sort((a, b) => alike(b.label, one.label) - alike(a.label, one.label));
    other.replaceChildren(...offered.map(({ id, label }) => element("option", { value: id }, label)));
    other.disabled = go.disabled = !offered.length;
  };
  let due: ReturnType<typeof setTimeout>;
  search.addEventListener("input", () => { clearTimeout(due); due = setTimeout(() => void attempt(fill), 200); });
  await fill();
  place.replaceChildren(element("h2", {}, t("compare_with")), element("p", { className: "soft" }, t("compare_lead")),
    element("div", { className: "row" }, search, other, go));
}

function alike(one: string, other: string): number {
  let count = 0;
  while (count < one.length && one[count]?.toLowerCase() === other[count]?.toLowerCase()) count++;
  return count;
}

/** Both walls side by side in one look, and the table of changes. */
export async function comparePage(root: HTMLElement, first: string, second: string, signal: AbortSignal): Promise<void> {
  const wait = element("p", { role: "status" }, t("compare_wait"), " ", element("progress", { "aria-label": t("progress") }));
  root.replaceChildren(element("h1", { tabIndex: -1 }, t("compare.title")), wait);
  const said = (error: Error) => { if (!signal.aborted) wait.replaceChildren(element("span", { className: "error", role: "alert" }, error.message)); };
  try {
    const [earlier, later] = await Promise.all([first, second].map((id) => get<Case>(`/api/cases/${id}`, signal)));
    const growth = get<Growth>(`/api/cases/${second}/growth?since=${first}&language=${language()}`, signal);
    const before = get<Scene>(fileOf(earlier!, `views/model.${language()}.json.gz`), signal);
    show(root, [earlier!, later!], await before, await growth, signal);
  } catch (error) {
    said(error as Error);
  }
}

function show(root: HTMLElement, [earlier, later]: [Case, Case], before: Scene, { headline, tables, method, scene }: Growth, signal: AbortSignal): void {
  document.title = `${earlier.label} → ${later.label} – aneuflow`;
  const places = [before, scene].map((one) => viewerPlace(one, t("viewer.label"), ""));
  const titled = (one: Case, key: string, index: number) => element("section", { className: "wall" },
    element("h2", {}, `${t(key)}: `, element("a", { href: `#/cases/${one.id}` }, one.label)), places[index]!.root);
  root.replaceChildren(
    element("div", { className: "row case-head" }, element("a", { href: "#/", className: "back" }, `‹ ${t("worklist")}`), element("h1", { tabIndex: -1 }, t("compare.title")),
      element("span", { className: "grow" }), reportButton(earlier, later), button(t("compare_swap"), () => { location.hash = `#/compare/${later.id}/${earlier.id}`; }, { name: "swap" })),
    element("section", { className: "summary" }, ...headline.map((sentence, index) => element("p", { className: index ? "soft" : "headline" }, sentence))),
    element("div", { className: "pair" }, titled(earlier, "compare.first", 0), titled(later, "compare.second", 1)),
    element("p", { className: "soft" }, t("compare_colors"), " ", t("viewer.help")),
    element("section", {}, element("h2", {}, t("compare.changes")), ...tables.flatMap(([group, rows]) => [element("h3", { className: "group" }, group), changesTable(rows)]),
      element("p", { className: "soft" }, t("compare.changes_note"))),
    element("section", { className: "method" }, element("h2", {}, t("report.method")), element("ul", {}, ...method.map((sentence) => element("li", {}, sentence)))));
  const walls = [before, scene].map((one, index) => showWall(places[index]!.root, one));
  if (walls[0] && walls[1]) link([walls[0], walls[1]], [before.center, scene.center]);
  signal.addEventListener("abort", () => walls.forEach((wall) => wall?.free()), { once: true });
}

function reportButton(earlier: Case, later: Case): HTMLElement {
  const made = button(t("report_pdf"), () => {
    made.disabled = true;
    made.setAttribute("aria-busy", "true");
    say(t("compare_wait"));
    void attempt(() => save(`/api/cases/${later.id}/growth.pdf?since=${earlier.id}&language=${language()}`, `${earlier.label} - ${later.label}.pdf`))
      .finally(() => { made.disabled = false; made.removeAttribute("aria-busy"); });
  }, { name: "report" });
  return made;
}

function changesTable(rows: Row[]): HTMLElement {
  const heads = [t("report.quantity"), t("compare.first"), t("compare.second"), t("compare.change"), t("report.interval"), t("report.unit"), ""];
  const made = table(heads, rows.map((row) => [row.name, row.first, row.second, row.change, row.interval, row.unit, row.word]), { className: "changes" });
  rows.forEach((row, index) => made.tBodies[0]!.rows[index]!.classList.toggle("beyond", row.beyond_error));
  return element("div", { className: "scroll" }, made);
}

/** Whoever turns one wall turns both: they lie in the frame of the earlier examination. */
function link(walls: [Wall, Wall], centers: [number[], number[]]): void {
  const look = (index: 0 | 1) => {
    const { eye, up, focus, radius } = walls[index].axes(), center = centers[index];
    return { eye, up, radius, focus: focus.map((value, axis) => value + center[axis]!) as [number, number, number] };
  };
  let shown = "";
  ([0, 1] as const).forEach((index) => walls[index].whenDrawn(() => {
    const now = look(index), key = JSON.stringify(now, (_, value: unknown) => (typeof value === "number" ? value.toFixed(4) : value));
    if (key === shown) return;
    shown = key;
    walls[1 - index as 0 | 1].lookAs(now);
  }));
}
