"""Training across sites as a Flower app: what runs at the server and what at a site (docs/federated.md)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from aneuflow.errors import AneuflowError, InputError, ResourceError
from aneuflow.pipeline.secure_sum import AGAINST, LEAST_LEFT, LEAST_SITES, need_flower, secure_ask
from aneuflow.risk.train.released import released
from aneuflow.risk.train.site_answers import VOTED, answer
from aneuflow.risk.train.sums import SiteParts, StudyPlan, read_study_plan, site_parts
from aneuflow.risk.train.table import read_cohort, read_columns
from aneuflow.risk.train.together import Question, learn_together

SENT = "sent.jsonl"
WAIT_S = 2.0


def server_app() -> Any:
    """The Flower ServerApp: waits for the sites, trains, and writes model, numbers and card to the folder `output`.

    Reads `output`, `plan` (a path, empty: the one that comes with the package), `sites` and `timeout-s` of the run's settings.
    """
    need_flower()
    from flwr.serverapp import ServerApp

    app = ServerApp()

    @app.main()  # type: ignore[untyped-decorator]
    def main(grid: Any, context: Any) -> None:
        settings = context.run_config
        plan = _plan(settings)
        _wait_for_sites(grid, max(int(settings["sites"]), LEAST_SITES), float(settings["timeout-s"]))
        told: list[str] = []
        ask = secure_ask(grid, context, plan.sha256, float(settings["timeout-s"]), told.append)
        count = len(list(grid.get_node_ids()))
        try:
            made = released(learn_together(lambda q: ask(q.kind, q.content, q.bound), plan), plan, count, tuple(told))
            files = made.files()
        except AneuflowError as error:
            files = {"refused.txt": "\n".join([str(error), *told, ""])}
        _write(Path(str(settings["output"])), files)

    return app


def client_app() -> Any:
    """The Flower ClientApp: answers with masked sums of the site's table, which its node's settings name.

    Reads `table`, `columns`, `plan` and `record` (a folder for the list of what was sent; empty: none) of the node's settings.
    """
    need_flower()
    from flwr.app import Message
    from flwr.client.mod import secaggplus_mod
    from flwr.clientapp import ClientApp
    from flwr.common import Code, FitRes, Status, ndarrays_to_parameters
    from flwr.compat.common import recorddict_compat as compat

    app = ClientApp(mods=[refuse_unmasked, secaggplus_mod])

    @app.train()  # type: ignore[untyped-decorator]
    def train(message: Any, context: Any) -> Any:
        told = compat.recorddict_to_fitins(message.content, True).config
        arrays = kept_to_oneself(lambda: site_answer(context.node_config, told))
        arrays, vote = (arrays[:-1], {AGAINST: bool(arrays[-1][0])}) if told["kind"] in VOTED else (arrays, {})
        # One for each site, so that not even the number of its patients goes out beside the masked sums.
        reply = FitRes(Status(Code.OK, ""), ndarrays_to_parameters([*arrays, np.ones(1)]), 1, vote)
        return Message(compat.fitres_to_recorddict(reply, True), reply_to=message)

    return app


def refuse_unmasked(message: Any, context: Any, call_next: Callable[[Any, Any], Any]) -> Any:
    """A Flower mod: lets through nothing but the stages of secure aggregation, among sites enough for it to hide one.

    Raises ValueError otherwise, which the server is told of.
    """
    from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS, Key, Stage

    stage = message.content.config_records.get(RECORD_KEY_CONFIGS)
    if message.metadata.message_type != "train" or stage is None:
        raise ValueError("This site answers secure aggregation only.")
    if stage.get(Key.STAGE) == Stage.SETUP and min(stage[Key.SAMPLE_NUMBER], stage[Key.THRESHOLD]) < LEAST_LEFT:
        raise ValueError(f"This site answers among {LEAST_LEFT} sites at least.")
    return call_next(message, context)


def kept_to_oneself[T](work: Callable[[], T]) -> T:
    """What `work` gives. Flower sends an error's words to the server: of any but our own they are withheld, since they may
    quote a row.
    """
    try:
        return work()
    except InputError as error:
        print(f"Not answered: {error}")
    except Exception as error:
        print(f"Not answered: {type(error).__name__}")
    raise RuntimeError("This site cannot answer; its own log says why.")


def site_answer(settings: Mapping[str, Any], told: Mapping[str, Any]) -> list[Any]:
    """The site's arrays for what the server asks, noted down before they are masked. Raises InputError for another plan."""
    plan = _plan(settings)
    if told["plan"] != plan.sha256:
        raise InputError("The server's study plan is not this site's; compare the two files.")
    question = Question(str(told["kind"]), str(told["content"]), float(told["bound"]))
    sums = answer(_parts(str(settings["table"]), str(settings["columns"]), plan), plan, question)
    if settings.get("record"):
        note = {"kind": question.kind, "bound": question.bound, "sums": [array.tolist() for array in sums]}
        folder = Path(str(settings["record"]))
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / SENT).open("a", encoding="utf-8") as file:
            file.write(json.dumps(note) + "\n")
    return sums


def _plan(settings: Mapping[str, Any]) -> StudyPlan:
    return read_study_plan(Path(str(settings["plan"])) if settings.get("plan") else None)


def _parts(table: str, columns: str, plan: StudyPlan) -> SiteParts:
    return site_parts(read_cohort(Path(table), read_columns(columns) if columns else None), plan)


def _wait_for_sites(grid: Any, count: int, timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    while (found := len(list(grid.get_node_ids()))) < count:
        if time.monotonic() > end:
            raise ResourceError(f"{found} of {count} sites came within {timeout_s:g} s; start their nodes, then run again.")
        time.sleep(WAIT_S)


def _write(folder: Path, files: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
