"""`aneuflow client`: a running system from the command line. The token stands in ANEUFLOW_TOKEN."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import TypeAdapter

from aneuflow.boundary import parse_place
from aneuflow.cli import options
from aneuflow.cli.progress import shown_progress
from aneuflow.errors import InputError, MethodError
from aneuflow.pipeline.settings import Tables
from aneuflow.report.monitoring import alert_sentences, headline
from aneuflow.risk.monitor import Monitoring
from aneuflow.service.client import Client, new_token

TOKEN, PASSWORD, SERVER = "ANEUFLOW_TOKEN", "ANEUFLOW_PASSWORD", "ANEUFLOW_SERVER"
PRIORITIES = ("routine", "urgent", "emergency")
RECORDS = ("doppler", "pressure")
# Networks are files of this machine; threads, units and kinds of input are none of what a case is computed with.
SENT = tuple(name for name in options.OPTIONS if name not in ("model", "networks", "threads", "mask", "units", "modality"))
Server = Annotated[str, typer.Option("--server", envvar=SERVER, help="Address of the system.")]
Case = Annotated[str, typer.Argument(metavar="CASE", help="Id of the case, as list prints it.", show_default=False)]
Language = Annotated[Literal["en", "zh"], typer.Option("--language", help="Language of what is shown.")]
Label = Annotated[str, typer.Option("--label", help="Name of the case; never a patient's.")]
Project = Annotated[str, typer.Option("--project", help="Project, where you may send to several.")]
Priority = Annotated[str, typer.Option("--priority", help="routine, urgent or emergency.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until it is assessed.")]
ADDRESS = "http://127.0.0.1:8470"

client = typer.Typer(help="Send cases to a running system, wait for them, fetch what came out.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(client, name="client")


def _client(server: str) -> Client:
    token = os.environ.get(TOKEN, "")
    if not token:
        raise InputError(f"No token is given; make one with aneuflow client token and put it into {TOKEN}.")
    return Client(server, token)


@client.command("token")
def token(
    user: Annotated[str, typer.Argument(metavar="USER", help="Name of the user it will act as.")],
    name: Annotated[str, typer.Option("--name", help="What the token is for.")] = "command line",
    days: Annotated[float, typer.Option("--days", help="How long it is good for.")] = 90.0,
    server: Server = ADDRESS,
) -> None:
    """Make a token and print it; asks for the password, or takes it from ANEUFLOW_PASSWORD."""
    password = os.environ.get(PASSWORD) or typer.prompt("Password", hide_input=True, err=True)
    typer.echo(new_token(server, user, password, name, days))


def _settings(system: Client, tables: Tables) -> dict[str, dict[str, Any]]:
    """The tables with the curves of records in the place of CAP=FILE; of a record's file nothing else is sent on."""
    settings = {name: dict(table) for name, table in tables.items()}
    boundary = settings.get("boundary", {})
    for kind in RECORDS:
        if boundary.get(kind) is not None:
            places = [parse_place(name) for name in boundary[kind]]
            boundary[kind] = [system.record(Path(file), cap) for cap, file in places]
    return settings


@client.command("upload")
@options.taking("mask", "units", "modality", *SENT)
def upload(
    tables: Tables,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Image, label map, surface, zip, or folder of DICOM files.")],
    label: Label,
    project: Project = "",
    priority: Priority = "routine",
    wait: Wait = False,
    server: Server = ADDRESS,
) -> None:
    """Send an examination and print its id; file names are not sent, DICOM is de-identified before it is kept."""
    system, rank = _client(server), _rank(priority)
    with shown_progress() as progress:
        case = system.upload(path, label, project, _settings(system, tables), rank, progress("upload"))
    typer.echo(case)
    if wait:
        _wait(system, case)


def _rank(priority: str) -> int:
    if priority not in PRIORITIES:
        raise InputError(f"Priority {priority} is not one of {', '.join(PRIORITIES)}; choose one.")
    return PRIORITIES.index(priority)


@client.command("archive")
def archive(
    patient: Annotated[str, typer.Option("--patient", help="Patient ID.")] = "",
    accession: Annotated[str, typer.Option("--accession", help="Accession number.")] = "",
    date: Annotated[str, typer.Option("--date", help="Study date, YYYYMMDD or YYYYMMDD-YYYYMMDD.")] = "",
    modality: Annotated[str, typer.Option("--modality", help="CT, MR, XA ...")] = "",
    study: Annotated[str | None, typer.Option("--study", help="Study UID: list its series.")] = None,
    show_patient: Annotated[bool, typer.Option("--show-patient", help="Print patient ID and name too.")] = False,
    project: Project = "",
    server: Server = ADDRESS,
) -> None:
    """Find studies, or the series of one, in the archive of the system: UID, date, modality, images, description."""
    asked = {"patient_id": patient, "accession": accession, "date": date, "modality": modality}
    found = _client(server).find_in_archive(project, **asked, **({"study_uid": study} if study else {}))
    for entry in found:
        cells = [entry[name] or "-" for name in ("uid", "date", "modality", "images", "description")]
        cells += [entry["patient_id"], entry["patient_name"]] if show_patient else []
        typer.echo("\t".join(map(str, cells)))
    typer.echo(f"{len(found)} {'series' if study else 'studies'} found.", err=True)


@client.command("order")
@options.taking("modality", *SENT)
def order(
    tables: Tables,
    study: Annotated[str, typer.Argument(metavar="STUDY", help="Study UID, as archive prints it.", show_default=False)],
    label: Label,
    series: Annotated[str | None, typer.Option("--series", help="Series UID: take this series alone.")] = None,
    project: Project = "",
    priority: Priority = "routine",
    wait: Wait = False,
    server: Server = ADDRESS,
) -> None:
    """Order an examination from the archive as a case and print its id; it is read and de-identified like an upload."""
    system, rank = _client(server), _rank(priority)
    case = system.order(study, label, project, _settings(system, tables), rank, series)
    typer.echo(case)
    if wait:
        _wait(system, case)


@client.command("wait")
def wait(case: Case, server: Server = ADDRESS) -> None:
    """Wait until no work on a case is left; ends with an error where it failed."""
    _wait(_client(server), case)


def _wait(system: Client, case: str) -> None:
    with shown_progress() as progress:
        ended = system.wait(case, progress=progress("wait"))
    if ended["state"] != "done":
        raise MethodError(ended["reason"] or f"Case {case} was canceled; start it again with aneuflow client compute.")


@client.command("list")
def list_cases(
    search: Annotated[str, typer.Option("--search", help="Part of the label.")] = "",
    state: Annotated[str, typer.Option("--state", help="reading, queued, running, done, failed or canceled.")] = "",
    sort: Annotated[
        Literal["created", "label", "state", "priority", "diameter"], typer.Option("--sort", help="Order of the list.")
    ] = "created",
    server: Server = ADDRESS,
) -> None:
    """The worklist: id, label, state, priority, largest diameter, grade, time of arrival."""
    for case in _client(server).cases(search, state, sort):
        diameter = "-" if case["diameter_mm"] is None else f"{case['diameter_mm']:.1f} mm"
        cells = [case["id"], case["label"], case["state"], PRIORITIES[case["priority"]]]
        cells += [diameter, case["grade"] or "-", _moment(case["created"])]
        typer.echo("\t".join(cells))


@client.command("show")
def show(case: Case, language: Language = "en", server: Server = ADDRESS) -> None:
    """A case's state, grade and measures with their intervals."""
    system = _client(server)
    found = system.case(case)
    typer.echo(f"{found['label']}: {found['state']} {found['reason']}".rstrip())
    grade = system.grade(case, language)
    for line in [grade["verdict"], *grade["why"]] if grade else []:
        typer.echo(line)
    for measure in system.measures(case, language):
        shown = measure["shown"]
        typer.echo("\t".join([measure["name"], shown["value"], shown["interval"] or "-", shown["unit"] or "-"]))


@client.command("fetch")
def fetch(
    case: Case,
    output: Annotated[Path, typer.Option("-o", "--output", help="New folder for the files.")],
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Pattern of paths, such as 'report/*'; may be repeated; else all.")
    ] = None,
    server: Server = ADDRESS,
) -> None:
    """Get report, tables and fields of a case into a folder."""
    written = _client(server).fetch(case, output, *(only or ()))
    typer.echo(f"{len(written)} files in {output}")


@client.command("change")
def change(
    case: Case,
    label: Annotated[str | None, typer.Option("--label", help="Another name of the case; never a patient's.")] = None,
    priority: Annotated[str | None, typer.Option("--priority", help="routine, urgent or emergency.")] = None,
    server: Server = ADDRESS,
) -> None:
    """Give a case another label or priority."""
    given = {"label": label, "priority": None if priority is None else _rank(priority)}
    values = {name: value for name, value in given.items() if value is not None}
    if not values:
        raise InputError("Nothing is to be changed; give --label or --priority.")
    _client(server).change(case, **values)


@client.command("delete")
def delete(case: Case, server: Server = ADDRESS) -> None:
    """Delete a case: out of every list at once, for good after its project's retention time."""
    _client(server).delete(case)


@client.command("history")
def history(case: Case, server: Server = ADDRESS) -> None:
    """What was computed when, and, for who may see it, who read or changed the case."""
    found = _client(server).history(case)
    for job in found["jobs"]:
        typer.echo("\t".join([_moment(job["created"]), job["kind"], job["state"], job["reason"]]).rstrip())
    for deed in found["trail"]:
        typer.echo("\t".join([_moment(deed["time"]), deed["user"], deed["action"], str(deed["status"])]))


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


@client.command("identity")
def identity(case: Case, server: Server = ADDRESS) -> None:
    """Whose images a case is of, for administrators of its project; who asks stands in the trail."""
    for name, value in _client(server).identity(case).items():
        typer.echo(f"{name}\t{value}")


@client.command("compute")
@options.taking(*SENT)
def compute(tables: Tables, case: Case, server: Server = ADDRESS) -> None:
    """Compute a case again with other settings; only what follows from them is."""
    system = _client(server)
    system.compute(case, _settings(system, tables))


@client.command("compare")
def compare(
    first: Annotated[str, typer.Argument(metavar="CASE1", help="Id of the earlier examination.", show_default=False)],
    second: Annotated[str, typer.Argument(metavar="CASE2", help="Id of the later examination.", show_default=False)],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write a report (PDF) to this file instead.")] = None,
    language: Language = "en",
    server: Server = ADDRESS,
) -> None:
    """Compare two examinations of one aneurysm: what was found, and each measure earlier, later, its change and interval."""
    system = _client(server)
    if output is not None:
        _write(output, system.growth_report(first, second, language))
        return
    found = system.growth(first, second, language)
    for sentence in found["headline"]:
        typer.echo(sentence)
    for row in (row for _, rows in found["tables"] for row in rows):
        cells = (
            row["name"],
            row["first"],
            row["second"],
            row["change"],
            row["interval"] or "-",
            row["unit"] or "-",
            row["word"],
        )
        typer.echo("\t".join(cells).rstrip())


@client.command("judge")
def judge(
    case: Case,
    risk: Annotated[Literal["low", "moderate", "high", "cannot_say"], typer.Option("--risk", help="Your own risk of rupture.")],
    confidence: Annotated[int, typer.Option("--confidence", min=1, max=5, help="How sure: 1 a guess, 5 certain.")],
    sentence: Annotated[str, typer.Option("--sentence", help="Why, where you want to say it.")] = "",
    server: Server = ADDRESS,
) -> None:
    """State your own judgement of a case, kept for good; where the project asks for it, the grade is shown after it."""
    kept = _client(server).judge(case, risk, confidence, sentence)
    typer.echo(f"Kept: {kept['risk']}, confidence {kept['confidence']}, {'blind' if kept['is_blind'] else 'not blind'}")


@client.command("outcome")
def outcome(
    case: Case,
    ruptured: Annotated[bool | None, typer.Option("--ruptured/--unruptured", help="What is known of the aneurysm.")] = None,
    day: Annotated[str | None, typer.Option("--date", help="Day on which that was known, YYYY-MM-DD.")] = None,
    server: Server = ADDRESS,
) -> None:
    """Record whether an aneurysm was found ruptured, for the monitoring of the model; with no option list what is recorded."""
    system = _client(server)
    if (ruptured is None) != (day is None):
        raise InputError("An outcome needs --ruptured or --unruptured and --date; give both, or neither for a list.")
    if ruptured is not None and day is not None:
        system.add_outcome(case, ruptured, day)
    for found in system.outcomes(case):
        typer.echo(f"{found['day']}\t{'ruptured' if found['ruptured'] else 'unruptured'}")


@client.command("monitor")
def monitor(
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the page (HTML) to this file.")] = None,
    language: Language = "en",
    server: Server = ADDRESS,
) -> None:
    """The model over all cases, for administrators of the system: drift, outcomes against it, alerts."""
    system = _client(server)
    found = TypeAdapter(Monitoring).validate_python(system.monitoring())
    typer.echo(headline(found, language))
    for sentence in alert_sentences(found, language):
        typer.echo(f"  {sentence}")
    if output is not None:
        _write(output, system.monitoring_page(language))


def _write(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        raise InputError(f"File {file} cannot be written ({error.strerror}); give another.") from None
    typer.echo(f"Written: {file}")


@client.command("cancel")
def cancel(case: Case, server: Server = ADDRESS) -> None:
    """Stop the work on a case."""
    if not _client(server).cancel(case):
        raise InputError(f"Case {case} has no work to stop; see aneuflow client show.")
