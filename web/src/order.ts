// The question asked between choosing files and sending them: what they are, whose project, how to compute.
import { attempt, mayChange, type Project } from "./api";
import { button, choice, element, labeled, say } from "./dom";
import { fromDrop, fromInput, type Choice } from "./files";
import { settingsForm } from "./settings-form";
import { bytes, t } from "./texts";
import { send } from "./upload";

export const PRIORITIES = ["routine", "urgent", "emergency"];
export const priorities = (): [string, string][] => PRIORITIES.map((name, number) => [String(number), t(`priority_${name}`)]);

/** Where files are dropped or chosen. */
export function dropPlace(projects: Project[]): HTMLElement {
  const open = projects.filter((project) => mayChange(project.role));
  if (!open.length) return element("div", { hidden: true });
  const files = element("input", { type: "file", multiple: true, hidden: true, id: "files", onchange: () => take(fromInput(files)) });
  const folder = element("input", { type: "file", hidden: true, id: "folder", webkitdirectory: true, onchange: () => take(fromInput(folder)) });
  const take = async (choice: Choice | Promise<Choice>) => {
    await attempt(async () => order(await choice, open));
    files.value = folder.value = "";
  };
  const place = element("section", { className: "drop", "aria-label": t("upload") },
    element("p", {}, element("b", {}, t("drop_here")), " ", element("span", { className: "soft" }, t("drop_what"))),
    element("div", { className: "row" }, button(t("choose_files"), () => files.click(), { className: "main" }),
      button(t("choose_folder"), () => folder.click()), files, folder));
  const over = (is: boolean) => (event: DragEvent) => { event.preventDefault(); place.classList.toggle("over", is); };
  place.addEventListener("dragover", over(true));
  place.addEventListener("dragleave", over(false));
  place.addEventListener("drop", (event) => {
    over(false)(event);
    if (event.dataTransfer) void take(fromDrop(event.dataTransfer));
  });
  return place;
}

async function order({ files, left }: Choice, projects: Project[]): Promise<void> {
  if (!files.length) return say(t("nothing_to_send"), true);
  const settings = await settingsForm({});
  const size = files.reduce((sum, { file }) => sum + file.size, 0);
  const label = element("input", { name: "label", required: true, maxLength: 80, autocomplete: "off" });
  const project = choice(projects.map(({ id, name }) => [id, name]), projects[0]?.id ?? "", { name: "project" });
  const priority = choice(priorities(), "0", { name: "priority" });
  const onsubmit = (event: Event) => {
    event.preventDefault();
    send({ project: project.value, label: label.value, priority: Number(priority.value), settings: settings.changes(), files });
    box.close();
  };
  const what = t("files_chosen", { count: files.length, size: bytes(size) }) + (left ? ` ${t("files_left", { count: left })}` : "");
  const box: HTMLDialogElement = element("dialog", { className: "wide", "aria-labelledby": "order-title", onclose: () => box.remove() },
    element("form", { onsubmit }, element("h2", { id: "order-title" }, t("new_case")), element("p", { className: "soft" }, what),
      element("div", { className: "fields" }, labeled(t("label"), label), labeled(t("project"), project), labeled(t("priority"), priority)),
      element("p", { className: "soft" }, t("label_lead")),
      element("details", {}, element("summary", {}, t("settings")), ...settings.parts),
      element("div", { className: "row end" }, button(t("cancel"), () => box.close()),
        element("button", { type: "submit", className: "main" }, t("send")))));
  document.body.append(box);
  box.showModal();
  label.focus();
}
