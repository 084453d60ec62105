// The hospital's archive: studies are looked for in it, and one or a series of one is chosen to become a case.
import { ask, attempt } from "./api";
import { button, choice, element, labeled, table } from "./dom";
import { t } from "./texts";

interface Found { uid: string; date: string; modality: string; description: string; images: number | null; patient_id: string; patient_name: string }
export interface Archived { study_uid: string; series_uid: string | null; said: string; images: number | null }

const day = (date: string) => (/^\d{8}$/.test(date) ? `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}` : date);
const said = ({ date, modality, description }: Found) => [modality, day(date), description].filter(Boolean).join(" · ");

/** Ask the archive, in the name of a project one may add to; `take` gets what is chosen. */
export function archiveDialog(project: string, take: (archived: Archived) => void): void {
  const input = (name: string, type: string, maxLength = 64) => element("input", { name: `archive_${name}`, type, maxLength, autocomplete: "off" });
  const patient = input("patient", "text"), accession = input("accession", "text"), from = input("from", "date"), until = input("until", "date");
  const modality = choice([["", "–"], ["CT", "CT"], ["MR", "MR"], ["XA", "XA"]], "", { name: "archive_modality" });
  const found = element("div", { className: "scroll", role: "status" });
  const search = (query: object) => ask<Found[]>("POST", `/api/projects/${project}/archive/search`, query);
  const chosen = (study: Found, series: Found | null) => {
    box.close();
    take({ study_uid: study.uid, series_uid: series?.uid ?? null, said: said(series ?? study), images: (series ?? study).images });
  };

  const show = (rows: Found[], heads: string[], acts: (one: Found) => Node[], before: Node[] = []) => {
    const sorted = rows.toSorted((a, b) => b.date.localeCompare(a.date));
    const cells = sorted.map((one) => [day(one.date), one.modality, one.description || "–", `${one.patient_name.replaceAll("^", " ")} ${one.patient_id}`.trim(),
      one.images === null ? "–" : String(one.images), element("span", { className: "row" }, ...acts(one))]);
    found.replaceChildren(...before, rows.length ? table(heads, cells) : element("p", {}, t("archive_none")));
  };
  const heads = [t("archive_date"), t("archive_modality"), t("archive_description"), t("archive_patient"), t("archive_count"), ""];
  let studies: Found[] = [];
  const showStudies = () => show(studies, heads, (study) => [button(t("archive_series"), () => attempt(() => showSeries(study))), button(t("archive_take"), () => chosen(study, null))]);
  const showSeries = async (study: Found) => {
    const back = button(`‹ ${t("archive_back")}`, showStudies, { className: "plain" });
    const series = (await search({ study_uid: study.uid })).map((one) => ({ ...one, date: one.date || study.date,
      patient_name: one.patient_name || study.patient_name, patient_id: one.patient_id || study.patient_id }));
    show(series, heads, (one) => [button(t("archive_take"), () => chosen(study, one), { className: "main" })], [back]);
  };

  const go = element("button", { type: "submit", className: "main" }, t("archive_search"));
  const onsubmit = (event: Event) => {
    event.preventDefault();
    const [first, last] = [from.value, until.value].map((date) => date.replaceAll("-", ""));
    const date = first || last ? `${first || "19000101"}-${last || "29991231"}` : "";
    go.disabled = true;
    found.replaceChildren(element("p", { className: "soft" }, "…"));
    void attempt(async () => {
      studies = await search({ patient_id: patient.value.trim(), accession: accession.value.trim(), date, modality: modality.value });
      showStudies();
    }).then((isDone) => { if (!isDone) found.replaceChildren(); go.disabled = false; });
  };
  const box: HTMLDialogElement = element("dialog", { className: "wide archive", "aria-labelledby": "archive-title", onclose: () => box.remove() },
    element("form", { onsubmit }, element("h2", { id: "archive-title" }, t("archive")), element("p", { className: "soft" }, t("archive_lead")),
      element("div", { className: "fields" }, labeled(t("archive_patient_id"), patient), labeled(t("archive_accession"), accession),
        labeled(t("archive_from"), from), labeled(t("archive_until"), until), labeled(t("archive_modality"), modality)),
      element("div", { className: "row end" }, button(t("close"), () => box.close()), go)), found);
  document.body.append(box);
  box.showModal();
  patient.focus();
}
