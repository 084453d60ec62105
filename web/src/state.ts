import type { CaseLine, Job } from "./api";
import { element } from "./dom";
import { duration, t, worded } from "./texts";

export function stateOf(one: CaseLine): HTMLElement {
  return element("span", { className: `chip state-${one.state}`, title: one.reason }, t(`state_${one.state}`));
}

/** How far the work is and how long it still takes, nothing where none is under way. */
export function progressOf(job: Job | null): HTMLElement | null {
  if (!job || job.state !== "running") return null;
  const stage = worded(`stage.${job.stage}`, worded(`stage_${job.stage}`, job.stage)), percent = Math.round(100 * job.fraction);
  const left = job.remaining_s === null ? "" : ` · ${t("time_left", { time: duration(job.remaining_s) })}`;
  return element("span", { className: "progress" }, element("progress", { max: 100, value: percent, "aria-label": t("progress") }),
    element("small", { className: "soft" }, `${stage} ${percent} %${left}`));
}
