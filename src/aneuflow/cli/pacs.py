"""`aneuflow pacs`: find, get and send images and results in an archive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aneuflow.cli.progress import shown_progress
from aneuflow.pacs import Query, archive_at, fetch, search, store

Address = Annotated[
    str, typer.Argument(metavar="ARCHIVE", help="TITLE@HOST:PORT (DIMSE) or http(s)://HOST/... (DICOMweb).", show_default=False)
]
OwnTitle = Annotated[str, typer.Option("--title", help="DIMSE title of this program, as the archive knows it.")]

pacs = typer.Typer(help="Find, get and send images and results in an archive (PACS).", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(pacs, name="pacs")


@pacs.command("find")
def find(
    archive: Address,
    patient: Annotated[str, typer.Option("--patient", help="Patient ID.")] = "",
    accession: Annotated[str, typer.Option("--accession", help="Accession number.")] = "",
    date: Annotated[str, typer.Option("--date", help="Study date, YYYYMMDD or YYYYMMDD-YYYYMMDD.")] = "",
    modality: Annotated[str, typer.Option("--modality", help="CT, MR, XA, SEG, SR ...")] = "",
    study: Annotated[str, typer.Option("--study", help="Study UID: list its series.")] = "",
    show_patient: Annotated[bool, typer.Option("--show-patient", help="Print patient ID and name too.")] = False,
    title: OwnTitle = "ANEUFLOW",
) -> None:
    """List studies, or the series of one study: UID, date, modality, images, description."""
    found = search(archive_at(archive, title), Query(patient, accession, date, modality, study))
    for entry in found:
        images = "-" if entry.images is None else str(entry.images)
        cells = [entry.uid, entry.date or "-", entry.modality or "-", images, entry.description or "-"]
        typer.echo("\t".join([*cells, entry.patient_id, entry.patient_name] if show_patient else cells))
    typer.echo(f"{len(found)} {'series' if study else 'studies'} found.", err=True)


@pacs.command("get")
def get(
    archive: Address,
    study: Annotated[str, typer.Argument(metavar="STUDY", help="Study UID.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="New folder for the images, with identity as in the archive.")],
    series: Annotated[str, typer.Option("--series", help="Series UID: get this series alone.")] = "",
    receive_port: Annotated[
        int | None,
        typer.Option("--receive-port", min=1, max=65535, help="Let the archive send to this port (C-MOVE); else C-GET."),
    ] = None,
    title: OwnTitle = "ANEUFLOW",
) -> None:
    """Get a study or a series into a folder."""
    with shown_progress() as progress:
        count = fetch(archive_at(archive, title, receive_port), study, series, output, progress("get"))
    typer.echo(f"{count} images in {output}")


@pacs.command("send")
def send(
    archive: Address,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="DICOM files or folders of them.")],
    title: OwnTitle = "ANEUFLOW",
) -> None:
    """Store DICOM files, such as those of `aneuflow export --dicom`."""
    with shown_progress() as progress:
        count = store(archive_at(archive, title), paths, progress("send"))
    typer.echo(f"{count} files sent.")
