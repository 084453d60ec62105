// Uploads under way: each one stream of bytes sent in pieces, gone on with after a cut, also after the page was closed.
import { ask, get, Refusal, type Tables } from "./api";
import { button, element } from "./dom";
import type { Taken } from "./files";
import { bytes, t } from "./texts";

const PIECE = 8 * 2 ** 20;
const KEPT = "aneuflow.upload.";
const LONGEST_PAUSE_S = 30;

export interface Order { project: string; label: string; priority: number; settings: Tables; files: Taken[] }
interface Standing { id: string; offset: number; size: number; case_id?: string }

/** The same files with the same order have the same mark, so that an upload begun before is found again. */
function mark(order: Order): string {
  const said = JSON.stringify({ ...order, files: order.files.map(({ file, suffix }) => [file.size, suffix, file.lastModified]) });
  let hash = 0xcbf29ce484222325n;
  for (const letter of said) hash = ((hash ^ BigInt(letter.codePointAt(0) ?? 0)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return KEPT + hash.toString(16);
}

class Sending {
  readonly line: HTMLElement;
  private readonly bar = element("progress", { max: 1, value: 0 });
  private readonly status = element("span", { className: "soft", role: "status" });
  private readonly stream: Blob;
  private readonly stop = new AbortController();
  private id = "";
  over = false;

  constructor(private readonly order: Order) {
    this.stream = new Blob(order.files.map(({ file }) => file));
    this.bar.setAttribute("aria-label", order.label);
    const cancel = button(t("cancel"), () => this.stop.abort(), { className: "plain" });
    this.line = element("div", { className: "sending" }, element("b", {}, order.label), this.bar, this.status, cancel);
  }

  async run(): Promise<void> {
    const key = mark(this.order);
    try {
      let { offset } = await this.begin(key);
      let pause = 1;
      while (offset < this.stream.size) {
        this.show(offset);
        try {
          offset = await this.send(offset);
          pause = 1;
        } catch (error) {
          if (error instanceof Refusal && ![409, 429, 500, 502, 503].includes(error.status)) throw error;
          this.stop.signal.throwIfAborted();
          this.status.textContent = t("upload_waits", { count: pause });
          await new Promise((resolve) => setTimeout(resolve, 1000 * pause));
          pause = Math.min(2 * pause, LONGEST_PAUSE_S);
          offset = (await get<Standing>(`/api/uploads/${this.id}`).catch(() => null))?.offset ?? offset;
        }
      }
      const made = await ask<{ id: string }>("POST", `/api/uploads/${this.id}/case`);
      this.bar.value = 1;
      this.status.replaceChildren(element("a", { href: `#/cases/${made.id}` }, t("upload_done")));
      localStorage.removeItem(key);
      dispatchEvent(new Event("uploaded"));
    } catch (error) {
      await this.end(key, error as Error);
    }
    this.over = true;
    this.line.lastElementChild?.replaceWith(button("×", () => this.line.remove(), { className: "plain", "aria-label": t("close") }));
  }

  private async begin(key: string): Promise<Standing> {
    const before = localStorage.getItem(key);
    const standing = before ? await get<Standing>(`/api/uploads/${before}`).catch(() => null) : null;
    if (standing && !standing.case_id && standing.size === this.stream.size) {
      this.id = standing.id;
      return standing;
    }
    const { project, label, priority, settings, files } = this.order;
    const given = { label, priority, settings, files: files.map(({ file, suffix }) => ({ size: file.size, suffix })) };
    const begun = await ask<Standing>("POST", `/api/projects/${project}/uploads`, given);
    this.id = begun.id;
    localStorage.setItem(key, begun.id);
    return begun;
  }

  private async send(offset: number): Promise<number> {
    const piece = this.stream.slice(offset, offset + PIECE);
    return (await ask<Standing>("PATCH", `/api/uploads/${this.id}?offset=${offset}`, piece, this.stop.signal)).offset;
  }

  private show(offset: number): void {
    this.bar.value = offset / this.stream.size;
    this.status.textContent = t("upload_sent", { sent: bytes(offset), all: bytes(this.stream.size) });
  }

  private async end(key: string, error: Error): Promise<void> {
    this.bar.hidden = true;
    localStorage.removeItem(key);
    if (this.id) await ask("DELETE", `/api/uploads/${this.id}`).catch(() => null);
    this.status.textContent = this.stop.signal.aborted ? t("upload_canceled") : error.message;
    this.status.classList.toggle("error", !this.stop.signal.aborted);
  }
}

const place = element("aside", { id: "tray" });
const sendings: Sending[] = [];
let last: Promise<void> = Promise.resolve();

/** Where uploads show how far they are, on whatever page one is. */
export function tray(): HTMLElement {
  place.setAttribute("aria-label", t("uploads"));
  return place;
}

/** Send it after those that were ordered before. */
export function send(order: Order): void {
  const sending = new Sending(order);
  sendings.push(sending);
  place.append(sending.line);
  last = last.then(() => sending.run());
}

addEventListener("beforeunload", (event) => { if (sendings.some((sending) => !sending.over)) event.preventDefault(); });
