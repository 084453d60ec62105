// Every word the terminal shows, from the catalogue that the reports are written from.
import { address } from "./address";

export type Language = "en" | "zh";

const KEPT = "aneuflow.language";
let texts: Record<string, string> = {};
let current: Language = "en";

export function language(): Language {
  return current;
}

export async function speak(wanted?: Language): Promise<void> {
  const first = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
  current = wanted ?? (localStorage.getItem(KEPT) as Language | null) ?? first;
  if (wanted) localStorage.setItem(KEPT, wanted);
  texts = (await (await fetch(address(`/api/texts/${current}`))).json()) as Record<string, string>;
  document.documentElement.lang = current === "zh" ? "zh-Hans" : "en";
}

/** The text `key`, of the section "terminal" where it names none, with values put into its fields. */
export function t(key: string, values: Record<string, string | number> = {}): string {
  const sentence = texts[key.includes(".") ? key : `terminal.${key}`] ?? key;
  return sentence.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}

/** The text `key` where there is one, else `other`. */
export function worded(key: string, other: string): string {
  return texts[key.includes(".") ? key : `terminal.${key}`] ?? other;
}

export function moment(seconds: number): string {
  const locale = current === "zh" ? "zh-CN" : "en-GB";
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" }).format(seconds * 1000);
}

export function duration(seconds: number): string {
  if (seconds < 90) return t("seconds", { count: Math.max(1, Math.round(seconds)) });
  return seconds < 5400 ? t("minutes", { count: Math.round(seconds / 60) }) : t("hours", { count: (seconds / 3600).toFixed(1) });
}

export function bytes(count: number): string {
  const power = Math.min(3, Math.floor(Math.log2(Math.max(1, count)) / 10));
  return `${power ? (count / 1024 ** power).toFixed(1) : count} ${["B", "KiB", "MiB", "GiB"][power]}`;
}
