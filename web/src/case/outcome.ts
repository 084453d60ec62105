// What became of the aneurysm: recorded for the monitoring of the model, read by no grade.
import { ask, attempt, get, mayChange, type Case, type Outcome } from "../api";
import { element, labeled, say } from "../dom";
import { t } from "../texts";
import { scale } from "./judgement";

const KINDS = ["unruptured", "ruptured"];

/** What is recorded, the newest first, and for who may change the case a form to add to it. */
export async function outcomePanel(one: Case, place: HTMLElement): Promise<void> {
  const path = `/api/cases/${one.id}/outcomes`;
  const fill = async () => {
    const recorded = (await get<Outcome[]>(path)).toReversed();
    const lines = recorded.map(({ ruptured, day }) => element("li", {}, `${day}: ${t(`outcome_${ruptured ? "ruptured" : "unruptured"}`)}`));
    place.replaceChildren(element("h2", {}, t("outcome")), element("p", { className: "soft" }, t("outcome_lead")),
      lines.length ? element("ul", { className: "outcomes" }, ...lines) : element("p", {}, t("outcome_none")),
      mayChange(one.role) ? element("details", {}, element("summary", {}, t("outcome_add")), outcomeForm(path, fill)) : "");
  };
  await fill();
}

function outcomeForm(path: string, done: () => Promise<void>): HTMLElement {
  const kind = scale("outcome", t("outcome_what"), KINDS.map((name) => [name, t(`outcome_${name}`)]));
  const day = element("input", { type: "date", name: "outcome_day", required: true, max: today() });
  const go = element("button", { type: "submit", className: "main" }, t("outcome_keep"));
  const onsubmit = (event: Event) => {
    event.preventDefault();
    const ruptured = new FormData(form).get("outcome") === "ruptured";
    go.disabled = true;
    void attempt(async () => {
      await ask("POST", path, { ruptured, day: day.value });
      say(t("outcome_kept"));
      await done();
    }).finally(() => { go.disabled = false; });
  };
  const form = element("form", { className: "judgement", onsubmit }, kind, labeled(t("outcome_day"), day), element("div", { className: "row end" }, go));
  return form;
}

/** The day it is here, as YYYY-MM-DD. */
function today(): string {
  const now = new Date();
  return [now.getFullYear(), now.getMonth() + 1, now.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
}
