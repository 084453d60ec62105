import { ACTIVE, ask, attempt, mayChange, type Case } from "../api";
import { element, say } from "../dom";
import { settingsForm } from "../settings-form";
import { t } from "../texts";

/** Boundary conditions, resolution and clinical answers; with others, only what follows from them is computed again. */
export async function computePanel(one: Case, place: HTMLElement): Promise<void> {
  if (!mayChange(one.role) || !one.kind) return place.replaceChildren();
  const form = await settingsForm(one.settings, one.kind);
  const isActive = ACTIVE.includes(one.state);
  const go = element("button", { type: "submit", className: "main", disabled: isActive }, t("compute_again"));
  const onsubmit = async (event: Event) => {
    event.preventDefault();
    go.disabled = true;
    const sent = await attempt(() => ask("POST", `/api/cases/${one.id}/jobs`, { settings: form.changes() }));
    if (sent) say(t("compute_begun"));
    else go.disabled = false;
  };
  place.replaceChildren(element("details", { open: one.state === "failed" || one.state === "canceled" },
    element("summary", {}, element("h2", {}, t("compute"))),
    element("form", { onsubmit }, element("p", { className: "soft" }, isActive ? t("compute_wait") : t("compute_lead")), ...form.parts,
      element("div", { className: "row end" }, go))));
}
