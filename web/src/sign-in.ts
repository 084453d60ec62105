import { address } from "./address";
import { ask, get, type Me } from "./api";
import { element, labeled } from "./dom";
import { t, worded } from "./texts";

function password(name: string, autocomplete: AutoFill): HTMLInputElement {
  return element("input", { type: "password", name, autocomplete, required: true, maxLength: 256 });
}

function form(title: string, lead: string, act: string, fields: HTMLElement[], submit: () => Promise<void>): HTMLElement {
  const refusal = element("p", { className: "error", role: "alert" });
  const go = element("button", { type: "submit", className: "main" }, act);
  const onsubmit = async (event: Event) => {
    event.preventDefault();
    go.disabled = true;
    refusal.textContent = "";
    await submit().catch((error: Error) => { refusal.textContent = error.message; });
    go.disabled = false;
  };
  const made = element("form", { className: "card narrow", onsubmit },
    element("h1", { tabIndex: -1 }, title), lead && element("p", { className: "soft" }, lead), ...fields, refusal, go);
  queueMicrotask(() => made.querySelector("input")?.focus());
  return made;
}

export function signInPage(root: HTMLElement, entered: (me: Me, secret: string) => void): void {
  const name = element("input", { name: "name", autocomplete: "username", required: true, maxLength: 64 });
  const secret = password("password", "current-password");
  // Where the provider of identities has sent back someone who may not enter, the address says why.
  const refused = new URLSearchParams(location.search).get("refused"), other = element("div", { className: "elsewhere", hidden: true });
  const made = form(t("sign_in"), t("research"), t("sign_in"), [labeled(t("name"), name), labeled(t("password"), secret)],
    async () => entered(await ask<Me>("POST", "/api/session", { name: name.value, password: secret.value }), secret.value));
  made.append(other);
  root.replaceChildren(made);
  if (refused) {
    made.querySelector(".error")!.textContent = worded(`refusal.${refused}`, t("refusal.oidc_refused"));
    history.replaceState(null, "", location.pathname + location.hash);
  }
  void get<{ configured: boolean; title: string }>("/api/oidc").then(({ configured, title }) => {
    other.hidden = !configured;
    other.replaceChildren(element("a", { href: address("/api/oidc/sign-in"), className: "button" }, t("sign_in_at", { title: title || t("sign_in_provider") })));
  }).catch(() => undefined);
}

/** The password that was given to someone must be changed before anything else. */
export function firstPasswordPage(root: HTMLElement, me: Me, old: string, entered: (me: Me) => void): void {
  root.replaceChildren(passwordForm(me, old, t("first_password"), t("first_password_lead"), entered));
}

/** Asks for a new password, for the old one too where that is not known, and signs in with the new one. */
export function passwordForm(me: Me, old: string, title: string, lead: string, entered: (me: Me) => void): HTMLElement {
  const before = password("old", "current-password"), fresh = password("new", "new-password"), again = password("again", "new-password");
  before.value = old;
  fresh.minLength = 12;
  const fields = [...(old ? [] : [labeled(t("old_password"), before)]), labeled(t("new_password"), fresh), labeled(t("new_again"), again)];
  return form(title, lead, t("change_password"), fields, async () => {
    if (fresh.value !== again.value) throw new Error(t("passwords_differ"));
    await ask("PUT", "/api/session/password", { old: before.value, new: fresh.value });
    entered(await ask<Me>("POST", "/api/session", { name: me.name, password: fresh.value }));
  });
}
