// The server's API: the shapes the terminal uses, and how it asks.
import { address } from "./address";
import { element, say } from "./dom";
import { t, worded } from "./texts";

/** `case_id`: the one case there is, on the page of `aneuflow edit`. */
export interface Me { name: string; is_administrator: boolean; must_change: boolean; csrf: string; case_id?: string }
export type Role = "reader" | "editor" | "administrator" | "auditor";
export interface Project {
  id: string; name: string; role: Role; judgement_first: boolean; running_quota: number; queued_quota: number; retention_days: number;
}
export interface Job {
  kind: string; state: string; stage: string; fraction: number; remaining_s: number | null;
  reason: string; created: number; started: number; ended: number;
}
export interface CaseLine {
  id: string; label: string; state: string; priority: number; reason: string; grade: string; diameter_mm: number | null;
  created: number; changed: number; project: string; project_id: string; job: Job | null;
  /** How it stands with a judgement of one's own, which a project may ask for before it shows the grade. */
  judgement?: "" | "waits" | "asked" | "given";
}
export type Tables = Record<string, Record<string, unknown>>;
export interface Case extends CaseLine {
  role: Role; files: { path: string; size: number }[]; kind: "image" | "mask" | "surface" | null; settings: Tables;
  stages: Record<string, { state: string; seconds: number; reason: string }>;
}
export interface Measure {
  id: string; name: string; symbol: string; group: string; meaning: string; formula: string; source: string;
  shown: { value: string; interval: string; unit: string; word: string };
}
export interface Summary { headline: string[]; notes: [kind: "warning" | "assumption" | "information", sentence: string, stage: string][] }
export interface Judgement { risk: string; confidence: number; sentence: string; is_blind: boolean; created: number }
export interface Outcome { ruptured: boolean; day: string; created: number }
export interface GradeWords {
  verdict: string; why: string[]; evidence: [string, string, string][]; points: string; changes: [string, string][]; changes_none: string; plain: string;
  regions: { kind: string; place: string; color: string; area: string; shear: string; stability: string }[];
  scores: { name: string; paper: string; points: string[]; outcomes: string[]; refused: string; missing: string }[];
  resemblance: { sentence: string } | null; flow_used: boolean; sites: string; not_looked_for: string; left_out: string[];
}
export interface History { jobs: Job[]; trail: { time: number; user: string; action: string; status: number }[] }

export const ACTIVE = ["reading", "read", "queued", "running"];
export const mayAudit = (role: Role) => role === "administrator" || role === "auditor";
/** Whether the grade is kept from one until one has stated a judgement. */
export const isHiding = (one: CaseLine) => one.judgement === "waits" || one.judgement === "asked";
export const mayChange = (role: Role) => role === "editor" || role === "administrator";

export class Refusal extends Error {
  constructor(readonly status: number, sentence: string) { super(sentence); }
}

let csrf = "";
let lastInput = Date.now();
for (const kind of ["pointerdown", "keydown", "wheel"]) addEventListener(kind, () => { lastInput = Date.now(); }, { passive: true });

export function keepCsrf(token: string): void {
  csrf = token;
}

/** Ask the server; a refusal is thrown as its own sentence. */
export async function ask<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const answer = await answered(method, path, body, signal);
  return (answer.headers.get("content-length") === "0" ? null : await answer.json()) as T;
}

/** Let the browser save a file that the server makes when it is asked. */
export async function save(path: string, name: string): Promise<void> {
  const file = URL.createObjectURL(await (await answered("GET", path)).blob());
  element("a", { href: file, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(file), 60_000);
}

async function answered(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { "x-csrf-token": csrf };
  // What a page asks by itself does not keep a session alive that nobody sits at.
  if (Date.now() - lastInput > 60_000) headers["x-unattended"] = "1";
  const isBytes = body instanceof Blob;
  if (body !== undefined && !isBytes) headers["content-type"] = "application/json";
  const sent = body === undefined || isBytes ? (body as Blob | undefined) : JSON.stringify(body);
  const answer = await fetch(address(path), { method, headers, body: sent ?? null, signal: signal ?? null });
  if (answer.ok) return answer;
  if (answer.status === 401 && path !== "/api/session") dispatchEvent(new Event("signed-out"));
  const problem = (await answer.json().catch(() => ({}))) as { detail?: string; code?: string; values?: Record<string, string> };
  const inWords = problem.code && worded(`refusal.${problem.code}`, "") && t(`refusal.${problem.code}`, problem.values);
  throw new Refusal(answer.status, inWords || (problem.detail ?? answer.statusText));
}

export const get = <T>(path: string, signal?: AbortSignal) => ask<T>("GET", path, undefined, signal);

/** Do it, and say in a sentence where it is refused. */
export async function attempt(act: () => Promise<unknown>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    if (!(error instanceof DOMException && error.name === "AbortError")) say(error instanceof Error ? error.message : String(error), true);
    return false;
  }
}

/** Repeat while the page is seen; `act` says after how many seconds, an event "changed" ends the pause before. */
export async function repeat(signal: AbortSignal, act: () => Promise<number>): Promise<void> {
  while (!signal.aborted) {
    let pause = 5;
    if (!document.hidden) pause = await act().catch(() => 5);
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, 1000 * pause), end = () => { clearTimeout(timer); resolve(null); };
      signal.addEventListener("abort", end, { once: true });
      addEventListener("changed", end, { once: true });
    });
  }
}
