// One case: what was found, where, how sure, by whom, and what to do with it.
import { address } from "../address";
import { ACTIVE, ask, attempt, get, isHiding, mayChange, repeat, type Case, type Summary } from "../api";
import { button, choice, confirmed, element, say } from "../dom";
import { priorities } from "../order";
import { comparePanel } from "../compare";
import { progressOf, stateOf } from "../state";
import { bytes, language, moment, t } from "../texts";
import { beforePanel } from "./before";
import { computeKey, computePanel } from "./compute";
import { gradePanel } from "./grade";
import { historyPanel } from "./history";
import { imagePanel } from "./image";
import { measuresPanel } from "./measures";
import { outcomePanel } from "./outcome";
import { paintKey, paintPanel } from "./paint";
import { wallPanel } from "./wall";

export const fileOf = (one: Case, path: string) => `/api/cases/${one.id}/files/${path}`;
export const has = (one: Case, path: string) => one.files.some((file) => file.path === path);

/** A part of the page that is made again when `key` of the case has changed. */
interface Part { place: HTMLElement; key: (one: Case) => string; fill: (one: Case, place: HTMLElement) => Promise<void>; shown?: string }

const results = (one: Case) => JSON.stringify([one.judgement, Object.entries(one.stages).map(([name, { state, seconds }]) => [name, state, seconds])]);
const settled = (one: Case) => (ACTIVE.includes(one.state) ? "" : results(one));

export async function casePage(root: HTMLElement, id: string, signal: AbortSignal): Promise<void> {
  const head = element("div", { className: "case-head" }), place = (className: string) => element("section", { className });
  const parts: Part[] = [
    { place: place("summary"), key: results, fill: fillSummary },
    // Before the wall, whose viewer looks for the buttons of the grade's regions.
    { place: place("grade"), key: results, fill: gradePanel },
    { place: place("wall"), key: (one) => (has(one, `views/scene.${language()}.json.gz`) ? settled(one) || "old" : ""), fill: wallPanel },
    { place: place("image"), key: (one) => (has(one, "views/image.nii.gz") ? "image" : ""), fill: imagePanel },
    { place: place("measures"), key: results, fill: measuresPanel },
    { place: place("before"), key: (one) => `${one.state}${results(one)}`, fill: beforePanel },
    { place: place("compute"), key: computeKey, fill: computePanel },
    { place: place("painting"), key: paintKey, fill: paintPanel },
    { place: place("compare"), key: (one) => String(has(one, "model/lumen.vtp")), fill: comparePanel },
    { place: place("outcome"), key: (one) => (one.project_id && has(one, "model/lumen.vtp") && !isHiding(one) ? one.role : ""), fill: outcomePanel },
    { place: place("links"), key: results, fill: fillLinks },
    { place: place("history"), key: (one) => `${one.state}${results(one)}`, fill: historyPanel },
  ];
  const [summary, grade, wall, image, measures, before, compute, painting, compare, outcome, links, history] = parts.map((part) => part.place);
  root.replaceChildren(head, summary!, element("div", { className: "case" },
    element("div", { className: "column" }, wall!, compute!, painting!, image!, compare!, links!, history!), element("div", { className: "column" }, before!, grade!, outcome!, measures!)));

  await repeat(signal, async () => {
    let one: Case;
    try {
      one = await get<Case>(`/api/cases/${id}`, signal);
    } catch (error) {
      if (!signal.aborted && !head.hasChildNodes()) head.replaceChildren(element("h1", { tabIndex: -1 }, (error as Error).message));
      throw error;
    }
    document.title = `${one.label} – aneuflow`;
    fillHead(head, one);
    for (const part of parts) {
      const key = part.key(one);
      if (key === part.shown || (key === "old" && part.shown)) continue;
      part.shown = key;
      part.place.hidden = key === "";
      if (key) await attempt(() => part.fill(one, part.place));
    }
    return ACTIVE.includes(one.state) ? 1.5 : 15;
  });
}

function fillHead(head: HTMLElement, one: Case): void {
  if (head.contains(document.activeElement) && document.activeElement instanceof HTMLSelectElement) return;
  const path = `/api/cases/${one.id}`;
  const priority = choice(priorities(), String(one.priority), { "aria-label": t("priority"), name: "priority", disabled: !mayChange(one.role),
    onchange: () => attempt(() => ask("PATCH", path, { priority: Number(priority.value) })) });
  const isActive = ACTIVE.includes(one.state), isListed = one.project_id !== "";
  head.replaceChildren(
    element("div", { className: "row" }, isListed && element("a", { href: "#/", className: "back" }, `‹ ${t("worklist")}`),
      element("h1", { tabIndex: -1 }, one.label), stateOf(one), element("span", { className: "grow" }),
      isListed && element("span", { className: "soft" }, `${one.project} · ${moment(one.created)}`), isListed && priority,
      isActive && mayChange(one.role) && button(t("cancel"), () => attempt(async () => { await ask("DELETE", `${path}/jobs`); dispatchEvent(new Event("changed")); }), { className: "danger", name: "cancel" })),
    progressOf(one.job) ?? "", one.reason && element("p", { className: "error", role: "alert" }, one.reason));
}

async function fillSummary(one: Case, place: HTMLElement): Promise<void> {
  const path = `views/summary.${language()}.json.gz`;
  if (!has(one, path)) return place.replaceChildren();
  const { headline, notes } = await get<Summary>(fileOf(one, path));
  const list = (kind: string) => notes.filter(([one]) => one === kind).map(([, sentence]) => element("li", {}, sentence));
  const warnings = list("warning"), others = [...list("assumption"), ...list("information")];
  place.replaceChildren(...headline.map((sentence) => element("p", { className: "headline" }, sentence)),
    warnings.length ? element("details", { className: "care", open: warnings.length < 4 }, element("summary", {}, `${t("report.warnings")} (${warnings.length})`), element("ul", {}, ...warnings)) : "",
    others.length ? element("details", {}, element("summary", {}, `${t("report.assumed")} (${others.length})`), element("ul", {}, ...others)) : "");
}

async function fillLinks(one: Case, place: HTMLElement): Promise<void> {
  const link = (path: string, label: string) => element("a", { href: address(path), target: "_blank", rel: "noopener", className: "button" }, label);
  const reports = [["report/report.html", t("report_page")], ["report/report.pdf", t("report_pdf")]].filter(([path]) => has(one, path!));
  const table = one.files.some((file) => file.path.endsWith("morphology.json"));
  const files = one.files.map((file) => element("li", {}, element("a", { href: address(fileOf(one, file.path)), download: `${one.label} ${file.path.replaceAll("/", " ")}` }, file.path),
    element("small", { className: "soft" }, ` ${bytes(file.size)}`)));
  place.replaceChildren(element("h2", {}, t("results")),
    element("div", { className: "row" }, ...reports.map(([path, label]) => link(fileOf(one, path!), label!)),
      table && link(`/api/cases/${one.id}/measures.csv?language=${language()}`, t("table_csv")),
      one.role === "administrator" && button(t("identity"), () => attempt(() => showIdentity(one))),
      one.role === "administrator" && button(t("delete_case"), () => removeCase(one), { className: "danger" })),
    element("details", {}, element("summary", {}, t("all_files", { count: files.length })), element("ul", { className: "files" }, ...files)));
}

async function showIdentity(one: Case): Promise<void> {
  const known = Object.entries(await get<Record<string, string>>(`/api/cases/${one.id}/identity`));
  say(known.length ? known.map(([name, value]) => `${name}: ${value}`).join(" · ") : t("no_identity"));
}

async function removeCase(one: Case): Promise<void> {
  if (!(await confirmed(t("delete_question", { label: one.label }), t("delete_case"), t("cancel")))) return;
  if (await attempt(() => ask("DELETE", `/api/cases/${one.id}`))) location.hash = "#/";
}
