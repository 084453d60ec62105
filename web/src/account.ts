// One's own account: the password, and keys for scripts.
import { address } from "./address";
import { ask, attempt, get, mayAudit, mayChange, type Me, type Project } from "./api";
import { button, element, labeled, table } from "./dom";
import { passwordForm } from "./sign-in";
import { moment, t } from "./texts";

interface Token { id: string; name: string; created: number; expires: number }

export async function accountPage(root: HTMLElement, me: Me, entered: (me: Me) => void): Promise<void> {
  const tokens = element("section", { className: "tokens" }), projects = element("section", { className: "projects" });
  root.replaceChildren(element("h1", { tabIndex: -1 }, me.name),
    element("div", { className: "case" }, element("div", { className: "column" }, tokens, projects),
      passwordForm(me, "", t("change_password"), t("change_password_lead"), entered)));
  await attempt(() => fill(tokens));
  await attempt(() => fillProjects(projects));
}

async function fill(place: HTMLElement, fresh = ""): Promise<void> {
  const known = await get<Token[]>("/api/tokens");
  const name = element("input", { name: "token", required: true, maxLength: 64, autocomplete: "off" });
  const days = element("input", { name: "days", type: "number", min: "1", max: "366", value: "90", required: true });
  const onsubmit = async (event: Event) => {
    event.preventDefault();
    await attempt(async () => {
      const made = await ask<{ secret: string }>("POST", "/api/tokens", { name: name.value, days: Number(days.value) });
      await fill(place, made.secret);
    });
  };
  const remove = (token: Token) => button(t("remove"), () => attempt(async () => {
    await ask("DELETE", `/api/tokens/${token.id}`);
    await fill(place);
  }), { className: "danger" });
  place.replaceChildren(element("h2", {}, t("tokens")), element("p", { className: "soft" }, t("tokens_lead")),
    fresh && element("p", { className: "plain-words", role: "alert" }, t("token_once"), " ", element("code", {}, fresh)),
    table([t("name"), t("created_at"), t("ends"), ""], known.map((token) =>
      [token.name, moment(token.created), moment(token.expires), remove(token)])),
    element("form", { onsubmit }, element("div", { className: "fields" }, labeled(t("token_name"), name), labeled(t("token_days"), days)),
      element("div", { className: "row end" }, element("button", { type: "submit", className: "main" }, t("token_make")))));
}

/** The projects whose settings, members or trail one may see or change. */
async function fillProjects(place: HTMLElement): Promise<void> {
  const known = (await get<Project[]>("/api/projects")).filter(({ role }) => mayChange(role) || mayAudit(role));
  if (!known.length) return;
  const rows = known.map((project) => [element("a", { href: `#/projects/${project.id}` }, project.name), t(`role_${project.role}`), judgementSwitch(project),
    mayAudit(project.role) ? judgementTable(project) : ""]);
  place.replaceChildren(element("h2", {}, t("projects")), element("p", { className: "soft" }, t("judge_setting_lead")),
    table([t("project"), t("role"), t("judge_setting"), ""], rows, { className: "middle" }));
}

/** Whether readers of the project judge first. */
export function judgementSwitch(project: Project): HTMLInputElement {
  const asked = element("input", { type: "checkbox", checked: project.judgement_first, disabled: !mayChange(project.role),
    "aria-label": `${t("judge_setting")}: ${project.name}`, onchange: async () => {
      const isKept = await attempt(() => ask("PUT", `/api/projects/${project.id}/judgement-first`, { asked: asked.checked }));
      if (!isKept) asked.checked = !asked.checked;
    } });
  return asked;
}

/** All that was judged, to be saved. */
export function judgementTable(project: Project): HTMLElement {
  return element("a", { href: address(`/api/projects/${project.id}/judgements.csv`), className: "button" }, t("judge_table"));
}
