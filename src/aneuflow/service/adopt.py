"""Case folders that were computed on the command line, taken into the system."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from sqlalchemy import select

from aneuflow.case.folder import CaseFolder
from aneuflow.errors import InputError
from aneuflow.pipeline.run import current_stages
from aneuflow.service.child import CASE, VIEWS
from aneuflow.service.models import Case, Project
from aneuflow.service.publish import Finding, publish
from aneuflow.service.system import FIRST_USER, System
from aneuflow.service.views import write_image_view, write_views


def adopt(system: System, path: Path) -> str:
    """Copy an assessed case folder into the oldest project, unless a case of its name is there; gives the case's id.

    Raises InputError where the folder is no case whose report is done.
    """
    folder = CaseFolder(path)
    if not folder.exists():
        raise InputError(f"{path} is no case folder; make one with aneuflow assess.")
    manifest = folder.manifest()
    current = current_stages(folder)
    if "report" not in current:
        raise InputError(f"Case {path} has no finished report of what is in it now; run aneuflow assess on it first.")
    label = str(manifest.settings.get("report", {}).get("title") or path.resolve().name)[:80]
    with system.database.writing() as session:
        project = session.scalars(select(Project).order_by(Project.created)).first()
        assert project is not None  # the first start makes one
        known = select(Case.id).where(Case.project_id == project.id, Case.label == label, Case.deleted == 0.0)
        found = session.scalar(known.limit(1))
        if found is not None:
            return found
    with tempfile.TemporaryDirectory(dir=system.settings.passing) as name:
        place = Path(name)
        shutil.copytree(path, place / CASE)
        write_image_view(place / CASE, place / VIEWS)
        write_views(place / CASE, place / VIEWS, current)
        case = Case(project_id=project.id, label=label, state="done", created_by=FIRST_USER)
        with system.database.writing() as session:
            session.add(case)
        publish(system, case.id, Finding(place, current))
    return case.id
