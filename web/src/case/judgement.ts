// A reader's own judgement: asked for before the grade is shown where the project wants that, and kept beside it.
import { ask, attempt, get, type Case, type Judgement } from "../api";
import { element, labeled, say } from "../dom";
import { moment, t } from "../texts";

const RISKS = ["low", "moderate", "high", "cannot_say"];
const CONFIDENCES = [1, 2, 3, 4, 5];

const path = (one: Case) => `/api/cases/${one.id}/judgements`;

/** What stands in the place of the grade until one has judged. */
export function askingPanel(one: Case, place: HTMLElement): void {
  if (one.judgement === "waits") return place.replaceChildren();
  place.replaceChildren(element("h2", {}, t("judge_first")), element("p", {}, t("judge_lead")),
    judgementForm(one, () => dispatchEvent(new Event("changed"))));
}

function judgementForm(one: Case, done: () => unknown): HTMLElement {
  const risk = scale("judged_risk", t("judge_risk"), RISKS.map((name) => [name, t(`judged_${name}`)]));
  const confidence = scale("judged_confidence", t("judge_confidence"), CONFIDENCES.map((value) => [String(value), t(`confidence_${value}`)]));
  const sentence = element("textarea", { name: "judged_sentence", maxLength: 500, rows: 2 });
  const go = element("button", { type: "submit", className: "main" }, t("judge_state"));
  const onsubmit = (event: Event) => {
    event.preventDefault();
    const given = new FormData(form);
    const body = { risk: given.get("judged_risk"), confidence: Number(given.get("judged_confidence")), sentence: sentence.value.trim() };
    go.disabled = true;
    void attempt(async () => {
      await ask("POST", path(one), body);
      say(t("judge_kept"));
      await done();
    }).finally(() => { go.disabled = false; });
  };
  const form = element("form", { className: "judgement", onsubmit }, risk, confidence, labeled(t("judge_sentence"), sentence),
    element("p", { className: "soft" }, t("judge_for_good")), element("div", { className: "row end" }, go));
  return form;
}

/** One choice of several, all of them to be seen; none is chosen beforehand. */
export function scale(name: string, title: string, values: [value: string, label: string][]): HTMLElement {
  return element("fieldset", { className: "part" }, element("legend", {}, title), element("div", { className: "scale" },
    ...values.map(([value, label]) => element("label", {}, element("input", { type: "radio", name, value, required: true }), element("span", {}, label)))));
}

/** The verdict, with one's own judgements beside it where the project asks for them. */
export async function judgedBeside(one: Case, verdict: HTMLElement): Promise<HTMLElement> {
  if (one.judgement !== "given") return verdict;
  const place = element("div", {});
  const fill = async () => {
    const [first, ...later] = await get<Judgement[]>(path(one));
    place.replaceChildren(
      element("div", { className: "beside" },
        element("div", {}, element("h3", {}, t("judged_own")), ...(first ? shown(first) : [])),
        element("div", {}, element("h3", {}, t("judged_machine")), verdict)),
      ...later.map((judgement) => element("div", { className: "later" }, element("h3", {}, t("judged_later")), ...shown(judgement))),
      element("details", {}, element("summary", {}, t("judge_again")), judgementForm(one, fill)));
  };
  await fill();
  return place;
}

function shown({ risk, confidence, sentence, is_blind, created }: Judgement): HTMLElement[] {
  const made = [element("p", { className: "headline" }, t(`judged_${risk}`)), element("p", {}, `${t("judge_confidence")}: ${t(`confidence_${confidence}`)}`)];
  if (sentence) made.push(element("p", {}, `“${sentence}”`));
  return [...made, element("p", { className: "soft" }, moment(created), ` · ${t(is_blind ? "judged_blind" : "judged_knowing")}`)];
}
