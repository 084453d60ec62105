import { ACTIVE, get, repeat, type CaseLine, type Project } from "./api";
import { button, choice, element, say } from "./dom";
import { dropPlace, PRIORITIES } from "./order";
import { progressOf, stateOf } from "./state";
import { moment, t, worded } from "./texts";

const PAGE = 50;
const SORTED = ["label", "project", "state", "priority", "diameter", "grade", "created"] as const;
const SORTS = ["label", "state", "priority", "diameter", "created"];
// What the list was last asked for, kept while one looks at a case.
const query = { search: "", state: "", sort: "created", page: 0 };

/** All cases one may read: searched, filtered, sorted, and kept up to date. */
export async function worklistPage(root: HTMLElement, signal: AbortSignal): Promise<void> {
  const search = element("input", { type: "search", name: "search", placeholder: t("search"), "aria-label": t("search"), value: query.search });
  const states: [string, string][] = [["", t("every_state")], ...["reading", "queued", "running", "done", "failed", "canceled"].map(
    (name): [string, string] => [name, t(`state_${name}`)])];
  const state = choice(states, query.state, { name: "state", "aria-label": t("state") });
  const body = element("tbody", {}), count = element("span", { className: "soft", role: "status" });
  const heads = SORTED.map((name) => head(name, () => { query.sort = name; query.page = 0; refresh(); }));
  const turn = (step: number) => () => { query.page += step; refresh(); };
  const back = button("‹", turn(-1), { "aria-label": t("page_before") }), on = button("›", turn(1), { "aria-label": t("page_after") });
  const drop = element("div", {});
  root.replaceChildren(drop,
    element("div", { className: "row" }, element("h1", { tabIndex: -1 }, t("worklist")), element("span", { className: "grow" }), search, state),
    element("div", { className: "scroll" }, element("table", { className: "worklist" }, element("caption", { className: "hidden" }, t("worklist")),
      element("thead", {}, element("tr", {}, ...heads)), body)),
    element("div", { className: "row end" }, count, back, on));

  let due: ReturnType<typeof setTimeout>;
  const soon = () => { query.search = search.value; query.state = state.value; query.page = 0; clearTimeout(due); due = setTimeout(refresh, 200); };
  search.addEventListener("input", soon);
  state.addEventListener("change", soon);
  addEventListener("uploaded", () => refresh(), { signal });
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target instanceof HTMLInputElement || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    search.focus();
  }, { signal });

  let asked = 0;
  async function load(): Promise<number> {
    const mine = ++asked;
    const { search, state, sort, page } = query;
    const address = `/api/cases?${new URLSearchParams({ search, state, sort, page: String(page) })}`;
    const found = await get<{ count: number; cases: CaseLine[] }>(address, signal);
    if (mine !== asked) return 5;
    const focused = document.activeElement?.closest<HTMLElement>("tr[data-case]")?.dataset.case;
    body.replaceChildren(...(found.cases.length ? found.cases.map(line) : [element("tr", {}, element("td", { colSpan: SORTED.length, className: "soft" }, t("no_cases")))]));
    if (focused) body.querySelector<HTMLElement>(`tr[data-case="${focused}"] a`)?.focus();
    heads.forEach((cell, index) => cell.setAttribute("aria-sort", SORTED[index] === sort ? "other" : "none"));
    count.textContent = t("cases_of", { from: Math.min(found.count, PAGE * page + 1), to: PAGE * page + found.cases.length, count: found.count });
    back.disabled = page === 0;
    on.disabled = PAGE * (page + 1) >= found.count;
    return found.cases.some((one) => ACTIVE.includes(one.state)) ? 2 : 10;
  }
  const refresh = () => void load().catch((error: Error) => { if (!signal.aborted) say(error.message, true); });

  void repeat(signal, load);
  const projects = await get<Project[]>("/api/projects", signal).catch(() => []);
  drop.replaceChildren(dropPlace(projects));
}

function head(name: (typeof SORTED)[number], sort: () => void): HTMLTableCellElement {
  return element("th", { scope: "col" }, SORTS.includes(name) ? button(t(name), sort, { className: "plain" }) : t(name));
}

function line(one: CaseLine): HTMLTableRowElement {
  const made = element("tr", { "data-case": one.id },
    element("td", {}, element("a", { href: `#/cases/${one.id}` }, one.label)), element("td", {}, one.project),
    element("td", {}, stateOf(one), progressOf(one.job)), element("td", { className: `priority-${one.priority}` }, t(`priority_${PRIORITIES[one.priority]}`)),
    element("td", { className: "number" }, one.diameter_mm === null ? "" : `${one.diameter_mm.toFixed(1)} mm`),
    element("td", {}, one.judgement === "asked" ? element("span", { className: "soft" }, t("judge_first")) : one.grade && gradeChip(one.grade)), element("td", {}, moment(one.created)));
  made.addEventListener("dblclick", () => { location.hash = `#/cases/${one.id}`; });
  return made;
}

export function gradeChip(grade: string): HTMLElement {
  return element("span", { className: `chip grade-${grade}` }, worded(`answer.${grade}`, grade));
}
