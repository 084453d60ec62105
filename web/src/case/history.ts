import { get, type Case, type History } from "../api";
import { element, table } from "../dom";
import { duration, moment, t, worded } from "../texts";

/** What was computed when, and who read or changed the case. */
export async function historyPanel(one: Case, place: HTMLElement): Promise<void> {
  const { jobs, trail } = await get<History>(`/api/cases/${one.id}/history`);
  const work = jobs.map((job) => [moment(job.created), t(`job_${job.kind}`), t(`state_${job.state}`),
    job.ended && job.started ? duration(job.ended - job.started) : "", job.reason]);
  const deeds = trail.toReversed().map(({ time, user, action, status }) =>
    [moment(time), user, worded(`action_${action}`, action), status < 400 ? "" : t("refused", { status })]);
  place.replaceChildren(element("h2", {}, t("history")),
    element("div", { className: "scroll" }, table([t("time"), t("work"), t("state"), t("took"), t("reason")], work.toReversed())),
    // Who saw a case is told to those alone who may know it.
    deeds.length > 0 ? element("details", {}, element("summary", {}, t("trail", { count: deeds.length })),
      element("div", { className: "scroll" }, table([t("time"), t("user"), t("action"), ""], deeds))) : "");
}
