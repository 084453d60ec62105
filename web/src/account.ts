// One's own account: the password, and keys for scripts.
import { ask, attempt, get, type Me } from "./api";
import { button, element, labeled, table } from "./dom";
import { passwordForm } from "./sign-in";
import { moment, t } from "./texts";

interface Token { id: string; name: string; created: number; expires: number }

export async function accountPage(root: HTMLElement, me: Me, entered: (me: Me) => void): Promise<void> {
  const tokens = element("section", { className: "tokens" });
  root.replaceChildren(element("h1", { tabIndex: -1 }, me.name),
    element("div", { className: "case" }, tokens, passwordForm(me, "", t("change_password"), t("change_password_lead"), entered)));
  await attempt(() => fill(tokens));
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
