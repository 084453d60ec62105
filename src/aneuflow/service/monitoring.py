"""A look at the model of resemblance over the cases of the whole system, from the copies that are kept of each grade."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aneuflow.case.files import read_json
from aneuflow.case.folder import CaseFolder, Manifest
from aneuflow.pipeline.monitoring import RISK_FILE, seen_of
from aneuflow.risk.learned import Model, model_in, origin_in, shipped_model, shipped_origin
from aneuflow.risk.monitor import RECENT_CASES, Monitoring, SeenCase, monitor
from aneuflow.risk.origin import Origin
from aneuflow.service.models import Case, GradedCase, Outcome
from aneuflow.service.system import System


def keep_graded(session: Session, case_id: str, case: CaseFolder, manifest: Manifest) -> None:
    """The copy of the case's grade that is looked at, or none where there is no current grade of an aneurysm."""
    kept = session.get(GradedCase, case_id)
    record = manifest.stages.get("grade")
    is_graded = record is not None and record.state == "done" and (case.path / "risk" / RISK_FILE).exists()
    seen = seen_of(read_json(case.path / "risk" / RISK_FILE), None, None) if is_graded else None
    if seen is None or record is None:
        if kept is not None:
            session.delete(kept)
        return
    graded = datetime.fromisoformat(record.ended) if record.ended else datetime.now(UTC)
    values: dict[str, Any] = {"model": seen.model, "probability": seen.probability, "answers": dict(seen.answers)}
    session.merge(GradedCase(case_id=case_id, graded=graded.timestamp(), **values))


def look(system: System, most: int | None = None) -> Monitoring:
    """One look, at the newest `most` grades (None: at all)."""
    model, origin = used_model(system)
    with system.database.reading() as session:
        return monitor(model, origin, seen_cases(session, most))


def recent_look(system: System) -> Monitoring:
    """The same without its quarters: of the newest grades alone, which is quick whatever the number of cases."""
    return look(system, RECENT_CASES)


def used_model(system: System) -> tuple[Model, Origin]:
    """The model that this system grades by."""
    folder: Path | None = system.settings.risk_model
    return (shipped_model(), shipped_origin()) if folder is None else (model_in(folder), origin_in(folder))


def seen_cases(session: Session, most: int | None = None) -> list[SeenCase]:
    """The graded cases that are not deleted, each with its last outcome."""
    last = select(Outcome.case_id, func.max(Outcome.created).label("created")).group_by(Outcome.case_id).subquery()
    chosen = (
        select(GradedCase, Outcome.ruptured)
        .join(Case, Case.id == GradedCase.case_id)
        .outerjoin(last, last.c.case_id == GradedCase.case_id)
        .outerjoin(Outcome, (Outcome.case_id == last.c.case_id) & (Outcome.created == last.c.created))
        .where(Case.deleted == 0.0)
        .order_by(GradedCase.graded.desc())
    )
    return [
        SeenCase(datetime.fromtimestamp(kept.graded, UTC).date(), kept.model, kept.answers, kept.probability, ruptured)
        for kept, ruptured in session.execute(chosen if most is None else chosen.limit(most))
    ]
