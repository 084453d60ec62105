type Attributes = Record<string, unknown>;
type Child = Node | string | null | undefined | false;

/** An element: functions under "on…" listen, names with a hyphen are attributes, the rest properties where there are such. */
export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null) continue;
    if (key.startsWith("on") && typeof value === "function") made.addEventListener(key.slice(2), value as EventListener);
    else if (key in made && !key.includes("-")) Object.assign(made, { [key]: value });
    else if (value !== false) made.setAttribute(key, value === true ? "" : String(value));
  }
  made.append(...children.filter((child): child is Node | string => Boolean(child)));
  return made;
}

export function button(label: string, act: () => unknown, more: Attributes = {}): HTMLButtonElement {
  return element("button", { type: "button", onclick: act, ...more }, label);
}

/** A label with its control; both belong together for pointer and screen reader. */
export function labeled(label: string, control: HTMLElement, unit = ""): HTMLLabelElement {
  return element("label", { className: "field" }, element("span", {}, label), control, unit && element("small", {}, unit));
}

export function choice(options: [value: string, label: string][], chosen: string, more: Attributes = {}): HTMLSelectElement {
  const made = element("select", more, ...options.map(([value, label]) => element("option", { value }, label)));
  made.value = chosen;
  return made;
}

type Cell = Node | string;

export function table(heads: string[], rows: Cell[][], more: Attributes = {}): HTMLTableElement {
  const head = element("tr", {}, ...heads.map((name) => element("th", { scope: "col" }, name)));
  const body = rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell))));
  return element("table", more, element("thead", {}, head), element("tbody", {}, ...body));
}

/** What is said to everyone: on the screen for a while, and to screen readers. */
export function say(sentence: string, isError = false): void {
  const place = document.querySelector("#messages");
  const message = element("p", { className: isError ? "message error" : "message" }, sentence);
  message.append(button("×", () => message.remove(), { className: "plain", "aria-label": "×" }));
  place?.append(message);
  setTimeout(() => message.remove(), isError ? 20_000 : 6_000);
}

/** A question that has to be answered; resolves to whether it was affirmed. */
export function confirmed(question: string, yes: string, no: string): Promise<boolean> {
  return new Promise((resolve) => {
    const close = (answer: string) => () => box.close(answer);
    const box: HTMLDialogElement = element("dialog", { onclose: () => { box.remove(); resolve(box.returnValue === "yes"); } },
      element("p", {}, question),
      element("div", { className: "row end" }, button(no, close("no")), button(yes, close("yes"), { className: "danger" })));
    document.body.append(box);
    box.showModal();
  });
}
