"""Training across sites as a Flower app: what runs at the server and what at a site (docs/federated.md)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aneuflow.errors import AneuflowError, InputError, ResourceError
from aneuflow.numerics.averaging import Ask, Question, Weights
from aneuflow.pipeline.federated_surrogate import surrogate_site, tuned_networks, tuning_of
from aneuflow.pipeline.secure_sum import AGAINST, LEAST_LEFT, LEAST_SITES, need_flower, secure_ask
from aneuflow.risk.train.released import released
from aneuflow.risk.train.site_answers import VOTED, answer
from aneuflow.risk.train.sums import StudyPlan, bounded, read_study_plan, site_parts
from aneuflow.risk.train.table import read_cohort, read_columns
from aneuflow.risk.train.together import learn_together
from aneuflow.surrogate.train.site_answers import VOTED as TUNING_VOTED
from aneuflow.surrogate.train.site_answers import answer as tuning_answer

Train = Callable[[Ask, int, Sequence[str]], Mapping[str, bytes]]
"""From a way to ask, the number of sites and what happened to them on the way to the names and contents of files."""
SENT = "sent.jsonl"
WAIT_S = 2.0


def server_app() -> Any:
    """The Flower ServerApp: waits for the sites, trains, and writes model, numbers and card to the folder `output`.

    Reads `model` ("resemblance" or "surrogate"), `output`, `plan` (a path, empty: the one that comes with the package),
    `networks` (of the surrogate: a folder, empty: those that ship), `sites` and `timeout-s` of the run's settings.
    """
    need_flower()
    from flwr.serverapp import ServerApp

    app = ServerApp()

    @app.main()  # type: ignore[untyped-decorator]
    def main(grid: Any, context: Any) -> None:
        settings, told = context.run_config, list[str]()
        try:
            plan_sha256, train = _training(settings)
            _wait_for_sites(grid, max(int(settings["sites"]), LEAST_SITES), float(settings["timeout-s"]))
            ask = secure_ask(grid, context, plan_sha256, float(settings["timeout-s"]), told.append)
            count = len(list(grid.get_node_ids()))
            files = train(lambda q: ask(q.kind, q.content, q.bound), count, told)
        except AneuflowError as error:
            files = {"refused.txt": "\n".join([str(error), *told, ""]).encode()}
        _write(Path(str(settings["output"])), files)

    return app


def client_app() -> Any:
    """The Flower ClientApp: answers with masked sums of the site's table or database, which its node's settings name.

    Reads of the node's settings: for the model of resemblance `table`, `columns` and `plan`; for the surrogate `database`,
    `prepared`, `python`, `networks` and `tuning-plan`; `record` (a folder for the list of what was sent; empty: none).
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
        votes = told["kind"] in (*VOTED, *TUNING_VOTED)
        arrays, vote = (arrays[:-1], {AGAINST: bool(arrays[-1][0])}) if votes else (arrays, {})
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
    question = Question(str(told["kind"]), str(told["content"]), float(told["bound"]))
    sums = bounded(_answer(settings, str(told["plan"]), question), question.bound)
    if settings.get("record"):
        note = {"kind": question.kind, "bound": question.bound, "sums": [array.tolist() for array in sums]}
        folder = Path(str(settings["record"]))
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / SENT).open("a", encoding="utf-8") as file:
            file.write(json.dumps(note) + "\n")
    return sums


def _answer(settings: Mapping[str, Any], plan_sha256: str, question: Question) -> Weights:
    """What the site's table, or its database, says to a question under the plan of that hash."""
    if settings.get("table"):
        plan = _plan(settings)
        if plan_sha256 == plan.sha256:
            columns = read_columns(str(settings["columns"])) if settings.get("columns") else None
            return answer(site_parts(read_cohort(Path(str(settings["table"])), columns), plan), plan, question)
    if settings.get("database"):
        tuning, networks, sha256 = tuning_of(settings, str(settings.get("tuning-plan", "")))
        if plan_sha256 == sha256:
            return tuning_answer(surrogate_site(settings, tuning, networks), question)
    raise InputError("The server's plan is not this site's, or the networks are not the same; compare the files.")


def _training(settings: Mapping[str, Any]) -> tuple[str, Train]:
    """The hash of what server and sites have to agree on, and the training of the model that the run's settings name."""
    model = settings.get("model", "resemblance")
    if model == "resemblance":
        plan = _plan(settings)

        def learn(ask: Ask, sites: int, told: Sequence[str]) -> Mapping[str, bytes]:
            made = released(learn_together(ask, plan), plan, sites, told).files()
            return {name: text.encode() for name, text in made.items()}

        return plan.sha256, learn
    if model == "surrogate":
        tuning, networks, sha256 = tuning_of(settings, str(settings["plan"]))
        return sha256, lambda ask, sites, told: tuned_networks(ask, tuning, networks, sites, told)
    raise InputError(f"Model {model!r} is not trained across sites; choose resemblance or surrogate.")


def _plan(settings: Mapping[str, Any]) -> StudyPlan:
    return read_study_plan(Path(str(settings["plan"])) if settings.get("plan") else None)


def _wait_for_sites(grid: Any, count: int, timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    while (found := len(list(grid.get_node_ids()))) < count:
        if time.monotonic() > end:
            raise ResourceError(f"{found} of {count} sites came within {timeout_s:g} s; start their nodes, then run again.")
        time.sleep(WAIT_S)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
