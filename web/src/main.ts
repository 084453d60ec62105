// The shell: who is signed in, which page is shown, language and colors.
import { accountPage } from "./account";
import { ask, attempt, get, keepCsrf, type Me } from "./api";
import { casePage } from "./case/page";
import { comparePage } from "./compare";
import { button, choice, element } from "./dom";
import { projectPage } from "./project";
import { resourcesPage } from "./resources";
import { firstPasswordPage, signInPage } from "./sign-in";
import "./style.css";
import { language, speak, t, type Language } from "./texts";
import { tray } from "./upload";
import { usersPage } from "./users";
import { worklistPage } from "./worklist";

const THEME = "aneuflow.theme";
let me: Me | null = null;
let page = new AbortController();

function shell(): HTMLElement {
  const main = element("main", { id: "main", tabIndex: -1 });
  const languages = choice([["en", "English"], ["zh", "中文"]], language(), { "aria-label": t("language"), name: "language",
    onchange: async () => { await speak(languages.value as Language); show(); } });
  const who = me && !me.case_id ? [
    me.is_administrator && element("a", { href: "#/users" }, t("users")),
    me.is_administrator && element("a", { href: "#/resources" }, t("resources")),
    element("a", { href: "#/account" }, me.name),
    button(t("sign_out"), () => attempt(async () => { await ask("DELETE", "/api/session"); leave(); }), { className: "plain" }),
  ] : [];
  document.body.replaceChildren(
    element("a", { href: "#main", className: "skip", onclick: (event: Event) => { event.preventDefault(); main.focus(); } }, t("skip")),
    element("header", {}, element("a", { href: "#/", className: "brand" }, "aneuflow"), element("span", { className: "soft" }, t("research")),
      element("span", { className: "grow" }), languages, button(t("theme"), turnTheme, { className: "plain" }), ...who),
    main, tray(), element("div", { id: "messages", role: "status", "aria-live": "polite" }));
  return main;
}

function turnTheme(): void {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  localStorage.setItem(THEME, root.dataset.theme);
  dispatchEvent(new Event("theme"));
}

function leave(): void {
  me = null;
  keepCsrf("");
  show();
}

function enter(entered: Me, secret = ""): void {
  me = entered;
  keepCsrf(me.csrf);
  show(secret);
}

function show(secret = ""): void {
  page.abort();
  page = new AbortController();
  const main = shell();
  document.title = "aneuflow";
  if (!me) return signInPage(main, enter);
  if (me.must_change) return firstPasswordPage(main, me, secret, enter);
  const [, kind, id, other] = location.hash.split("/");
  if (me.case_id) void casePage(main, me.case_id, page.signal);
  else if (kind === "cases" && id) void casePage(main, id, page.signal);
  else if (kind === "compare" && id && other) void comparePage(main, id, other, page.signal);
  else if (kind === "projects" && id) void projectPage(main, id);
  else if (kind === "users" && me.is_administrator) void usersPage(main, me);
  else if (kind === "resources" && me.is_administrator) void resourcesPage(main, page.signal);
  else if (kind === "account") void accountPage(main, me, enter);
  else void worklistPage(main, page.signal);
}

async function start(): Promise<void> {
  const theme = localStorage.getItem(THEME);
  if (theme) document.documentElement.dataset.theme = theme;
  await speak();
  me = await get<Me>("/api/session").catch(() => null);
  if (me) keepCsrf(me.csrf);
  addEventListener("hashchange", () => show());
  addEventListener("signed-out", () => { if (me) leave(); });
  show();
}

void start();
