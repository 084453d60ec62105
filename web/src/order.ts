// The question asked between choosing files and sending them: what they are, whose project, how to compute.
import { ask, attempt, get, mayChange, type Project } from "./api";
import { archiveDialog, type Archived } from "./archive";
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
  const archive = button(t("archive"), () => archiveDialog(open[0]!.id, (archived) => void attempt(() => ordered({ archived }, open))), { hidden: true, name: "archive" });
  const place = element("section", { className: "drop", "aria-label": t("upload") },
    element("p", {}, element("b", {}, t("drop_here")), " ", element("span", { className: "soft" }, t("drop_what"))),
    element("div", { className: "row" }, button(t("choose_files"), () => files.click(), { className: "main" }),
      button(t("choose_folder"), () => folder.click()), archive, files, folder));
  void get<{ configured: boolean }>("/api/archive").then(({ configured }) => { archive.hidden = !configured; }).catch(() => undefined);
  const over = (is: boolean) => (event: DragEvent) => { event.preventDefault(); place.classList.toggle("over", is); };
  place.addEventListener("dragover", over(true));
  place.addEventListener("dragleave", over(false));
  place.addEventListener("drop", (event) => {
    over(false)(event);
    if (event.dataTransfer) void take(fromDrop(event.dataTransfer));
  });
  return place;
}

async function order(choice: Choice, projects: Project[]): Promise<void> {
  if (!choice.files.length) return say(t("nothing_to_send"), true);
  await ordered({ choice }, projects);
}

function described({ choice, archived }: Source): string {
  if (!choice) return archived.images === null ? archived.said : `${archived.said}, ${t("archive_images", { count: archived.images })}`;
  const size = choice.files.reduce((sum, { file }) => sum + file.size, 0);
  return t("files_chosen", { count: choice.files.length, size: bytes(size) }) + (choice.left ? ` ${t("files_left", { count: choice.left })}` : "");
}

type Source = { choice: Choice; archived?: never } | { archived: Archived; choice?: never };

/** Ask how to compute what was chosen, and send it or have it got. */
async function ordered(source: Source, projects: Project[]): Promise<void> {
  const settings = await settingsForm({});
  const label = element("input", { name: "label", required: true, maxLength: 80, autocomplete: "off" });
  const project = choice(projects.map(({ id, name }) => [id, name]), projects[0]?.id ?? "", { name: "project" });
  const priority = choice(priorities(), "0", { name: "priority" });
  const onsubmit = (event: Event) => {
    event.preventDefault();
    const given = { label: label.value, priority: Number(priority.value), settings: settings.changes() };
    if (source.choice) {
      send({ project: project.value, ...given, files: source.choice.files });
      return box.close();
    }
    const { study_uid, series_uid } = source.archived;
    void attempt(async () => {
      await ask("POST", `/api/projects/${project.value}/archive/cases`, { ...given, study_uid, series_uid });
      box.close();
      say(t("archive_ordered"));
      dispatchEvent(new Event("uploaded"));
    });
  };
  const box: HTMLDialogElement = element("dialog", { className: "wide", "aria-labelledby": "order-title", onclose: () => box.remove() },
    element("form", { onsubmit }, element("h2", { id: "order-title" }, t("new_case")), element("p", { className: "soft" }, described(source)),
      element("div", { className: "fields" }, labeled(t("label"), label), labeled(t("project"), project), labeled(t("priority"), priority)),
      element("p", { className: "soft" }, t("label_lead")),
      element("details", {}, element("summary", {}, t("settings")), ...settings.parts),
      element("div", { className: "row end" }, button(t("cancel"), () => box.close()),
        element("button", { type: "submit", className: "main" }, t("send")))));
  document.body.append(box);
  box.showModal();
  label.focus();
}
