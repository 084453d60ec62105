// One project: its settings, who is in it in which role, and its trail, as far as one's own role goes.
import { ask, attempt, get, mayAudit, mayChange, type Project, type Role } from "./api";
import { button, choice, confirmed, element, labeled, say, table } from "./dom";
import { judgementSwitch, judgementTable } from "./account";
import { moment, t, worded } from "./texts";

interface Member { name: string; role: Role }
interface Line { number: number; time: number; user: string; action: string; case_id: string; status: number; address: string; detail: string }

const ROLES: Role[] = ["reader", "editor", "administrator", "auditor"];
const roles = (): [string, string][] => ROLES.map((role) => [role, t(`role_${role}`)]);

export async function projectPage(root: HTMLElement, id: string): Promise<void> {
  const heading = element("h1", { tabIndex: -1 });
  root.replaceChildren(heading);
  await attempt(async () => {
    const project = (await get<Project[]>("/api/projects")).find((one) => one.id === id);
    if (!project) return void (heading.textContent = t("refusal.no_project"));
    heading.textContent = project.name;
    document.title = `${project.name} – aneuflow`;
    const settings = element("section", {}), members = element("section", { className: "members" }), trail = element("section", { className: "trail" });
    root.append(element("div", { className: "case" }, element("div", { className: "column" }, settings, members), trail));
    fillSettings(settings, project, heading);
    if (project.role === "administrator") await fillMembers(members, project);
    if (mayAudit(project.role)) await fillTrail(trail, project);
  });
}

function fillSettings(place: HTMLElement, project: Project, heading: HTMLElement): void {
  const number = (name: "running_quota" | "queued_quota" | "retention_days", step: string) =>
    element("input", { type: "number", name, min: name === "queued_quota" ? "1" : "0", step, required: true, value: String(project[name]) });
  const name = element("input", { name: "project_name", required: true, maxLength: 80, value: project.name, autocomplete: "off" });
  const running = number("running_quota", "1"), queued = number("queued_quota", "1"), retention = number("retention_days", "any");
  const onsubmit = (event: Event) => {
    event.preventDefault();
    void attempt(async () => {
      const given = { name: name.value, running_quota: Number(running.value), queued_quota: Number(queued.value), retention_days: Number(retention.value) };
      heading.textContent = (await ask<Project>("PUT", `/api/projects/${project.id}`, given)).name;
      say(t("project_saved"));
    });
  };
  const form = element("form", { onsubmit }, element("div", { className: "fields" }, labeled(t("project_name"), name), labeled(t("project_running"), running),
    labeled(t("project_queued"), queued), labeled(t("project_retention"), retention)),
    element("div", { className: "row end" }, element("button", { type: "submit", className: "main" }, t("project_save"))));
  place.replaceChildren(element("h2", {}, t("project_settings")), project.role === "administrator" ? form : "",
    mayChange(project.role) || mayAudit(project.role) ? element("p", { className: "soft" }, t("judge_setting_lead")) : "",
    element("div", { className: "row" }, element("label", {}, judgementSwitch(project), ` ${t("judge_setting")}`), mayAudit(project.role) && judgementTable(project)));
}

async function fillMembers(place: HTMLElement, project: Project): Promise<void> {
  const path = `/api/projects/${project.id}/members`, known = await get<Member[]>(path);
  const act = async (method: string, name: string, given?: object) => {
    await attempt(() => ask(method, `${path}/${encodeURIComponent(name)}`, given));
    await attempt(() => fillMembers(place, project));
  };
  const rows = known.map(({ name, role }) => {
    const chosen = choice(roles(), role, { "aria-label": `${t("role")}: ${name}`, onchange: () => act("PUT", name, { role: chosen.value }) });
    const remove = button(t("remove"), async () => {
      if (await confirmed(t("member_remove_question", { name }), t("remove"), t("cancel"))) await act("DELETE", name);
    }, { className: "danger" });
    return [name, chosen, remove];
  });
  const name = element("input", { name: "member", required: true, maxLength: 64, autocomplete: "off" }), role = choice(roles(), "reader", { name: "member_role" });
  const onsubmit = (event: Event) => { event.preventDefault(); void act("PUT", name.value, { role: role.value }); };
  place.replaceChildren(element("h2", {}, t("members")), element("p", { className: "soft" }, t("members_lead")),
    table([t("name"), t("role"), ""], rows, { className: "middle" }),
    element("form", { onsubmit }, element("div", { className: "fields" }, labeled(t("member_name"), name), labeled(t("role"), role),
      element("button", { type: "submit", className: "main" }, t("member_add")))));
}

async function fillTrail(place: HTMLElement, project: Project): Promise<void> {
  const path = `/api/projects/${project.id}/audit`, body = element("tbody", {});
  const more = button(t("audit_older"), () => attempt(load), { name: "older" });
  let before = "";
  const load = async () => {
    const lines = await get<Line[]>(path + before);
    body.append(...lines.map(lineOf));
    before = `?before=${lines.at(-1)?.number ?? 0}`;
    more.hidden = lines.length < 200;
  };
  const heads = ["time", "user", "action", "audit_case", "audit_from", ""].map((key) => element("th", { scope: "col" }, key && t(key)));
  place.replaceChildren(element("h2", {}, t("audit")), element("p", { className: "soft" }, t("audit_lead")),
    element("div", { className: "scroll" }, element("table", {}, element("thead", {}, element("tr", {}, ...heads)), body)), element("div", { className: "row end" }, more));
  await load();
}

function lineOf({ time, user, action, case_id, status, address, detail }: Line): HTMLElement {
  const link = case_id && element("a", { href: `#/cases/${case_id}`, title: case_id }, case_id.slice(0, 8));
  const cells = [moment(time), user, element("span", {}, worded(`action_${action}`, action), detail && element("small", { className: "word" }, detail)), link, address, status < 400 ? "" : t("refused", { status })];
  return element("tr", {}, ...cells.map((cell) => element("td", {}, cell)));
}
