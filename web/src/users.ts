// For administrators of the system: who may sign in, new projects, and the trail of everything.
import { address } from "./address";
import { ask, attempt, get, type Me, type Project } from "./api";
import { button, confirmed, element, labeled, say, table } from "./dom";
import { language, moment, t } from "./texts";

interface User {
  id: string; name: string; is_administrator: boolean; disabled: boolean; must_change: boolean; created: number; locked_out: boolean;
  tokens: number; is_local: boolean;
}

export async function usersPage(root: HTMLElement, me: Me): Promise<void> {
  const users = element("section", { className: "users" });
  root.replaceChildren(element("h1", { tabIndex: -1 }, t("users")), users,
    element("div", { className: "case" }, newProject(), trail(), monitoring()));
  await attempt(() => fill(users, me));
}

/** The list; `shown` is a password that was just made, said this once. */
async function fill(place: HTMLElement, me: Me, shown?: { name: string; password: string }): Promise<void> {
  const known = await get<User[]>("/api/users");
  const change = async (user: User, given: object) => {
    const made = await ask<{ password: string }>("PATCH", `/api/users/${user.id}`, given);
    await fill(place, me, made.password ? { name: user.name, password: made.password } : undefined);
  };
  const asked = (key: string, yes: string, user: User, act: () => Promise<unknown>) => async () => {
    const { name, tokens: count } = user;
    if (await confirmed(t(key, { name, count }), t(yes), t("cancel"))) await attempt(act);
  };
  const acts = (user: User) => element("div", { className: "row" },
    user.is_local && button(t("user_new_password"), asked("user_password_question", "user_new_password", user, () => change(user, { new_password: true }))),
    user.tokens > 0 && button(t("user_end_tokens"), asked("user_tokens_question", "user_end_tokens", user, async () => {
      await ask("DELETE", `/api/users/${user.id}/tokens`);
      await fill(place, me);
    })),
    user.disabled ? button(t("user_unlock"), () => attempt(() => change(user, { disabled: false })))
      : user.name !== me.name && button(t("user_lock"), asked("user_lock_question", "user_lock", user, () => change(user, { disabled: true })), { className: "danger" }));
  const rows = known.map((user) => [user.name, user.is_administrator ? t("user_administrator") : "", stateOf(user), String(user.tokens), moment(user.created), acts(user)]);
  place.replaceChildren(element("p", { className: "soft" }, t("users_lead")),
    shown ? element("p", { className: "plain-words", role: "alert" }, t("user_password", { name: shown.name }), " ", element("code", {}, shown.password)) : "",
    element("div", { className: "scroll" }, table([t("name"), t("role"), t("state"), t("tokens"), t("created_at"), ""], rows, { className: "middle" })),
    newUser((name, password) => fill(place, me, { name, password })));
}

function stateOf(user: User): HTMLElement {
  const [kind, key] = user.disabled ? ["failed", "user_locked"] : user.locked_out ? ["running", "user_locked_out"]
    : user.must_change ? ["running", "user_first"] : ["done", user.is_local ? "user_active" : "user_elsewhere"];
  return element("span", { className: `chip state-${kind}` }, t(key!));
}

function newUser(made: (name: string, password: string) => Promise<void>): HTMLElement {
  const name = element("input", { name: "new_user", required: true, pattern: "[A-Za-z0-9._@\\-]{2,64}", autocomplete: "off", title: t("user_name_lead") });
  const isAdministrator = element("input", { type: "checkbox", name: "new_administrator" });
  const onsubmit = (event: Event) => {
    event.preventDefault();
    void attempt(async () => {
      const user = await ask<{ name: string; password: string }>("POST", "/api/users", { name: name.value, is_administrator: isAdministrator.checked });
      await made(user.name, user.password);
    });
  };
  return element("form", { onsubmit }, element("h2", {}, t("user_add")), element("p", { className: "soft" }, t("user_name_lead")),
    element("div", { className: "fields" }, labeled(t("name"), name), labeled(t("user_administrator"), isAdministrator),
      element("button", { type: "submit", className: "main" }, t("user_make"))));
}

function newProject(): HTMLElement {
  const name = element("input", { name: "new_project", required: true, maxLength: 80, autocomplete: "off" });
  const onsubmit = (event: Event) => {
    event.preventDefault();
    void attempt(async () => {
      const { id } = await ask<Project>("POST", "/api/projects", { name: name.value });
      location.hash = `#/projects/${id}`;
    });
  };
  return element("section", {}, element("form", { onsubmit }, element("h2", {}, t("project_add")), element("p", { className: "soft" }, t("project_lead")),
    element("div", { className: "fields" }, labeled(t("project_name"), name), element("button", { type: "submit", className: "main" }, t("project_make")))));
}

function monitoring(): HTMLElement {
  const page = address(`/api/monitoring/page?language=${language()}`);
  return element("section", {}, element("h2", {}, t("monitoring")), element("p", { className: "soft" }, t("monitoring_lead")),
    element("div", { className: "row" }, element("a", { href: page, target: "_blank", rel: "noopener", className: "button" }, t("monitoring_page"))));
}

function trail(): HTMLElement {
  const check = button(t("audit_check"), () => attempt(async () => {
    const { whole, count, broken_at } = await get<{ whole: boolean; count: number; broken_at: number | null }>("/api/audit/check");
    say(whole ? t("audit_whole", { count }) : t("audit_broken", { number: broken_at ?? 0 }), !whole);
  }), { name: "audit_check" });
  return element("section", {}, element("h2", {}, t("audit")), element("p", { className: "soft" }, t("audit_lead")),
    element("div", { className: "row" }, check, element("a", { href: address("/api/audit"), download: "audit.jsonl", className: "button" }, t("audit_export"))));
}
