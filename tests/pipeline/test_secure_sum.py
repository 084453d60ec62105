"""Flower's secure aggregation with one grid in this process: the server gets the sum, and nothing of a site beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("flwr", reason="training across sites needs flwr: make test-federated")

from flwr.app import Context, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from aneuflow.errors import MethodError
from aneuflow.pipeline import federated_app
from aneuflow.pipeline.federated_app import client_app, kept_to_oneself, server_app
from aneuflow.pipeline.secure_sum import MODULUS, masks, need_flower, secure_ask
from aneuflow.risk.train.sums import read_study_plan
from tests.conftest import shared_data

PLAN = read_study_plan()


@pytest.fixture(autouse=True)
def run_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flower's processes know the run and node they are for; here it is one process for all."""
    for name, value in {"run_id": 1, "node_id": 0, "task_id": 1}.items():
        monkeypatch.setattr(TaskIdentity, f"_{name}", value)


class Grid:
    """A server's grid whose sites are apps in this process; `down(site, stage)` says when a site does not answer."""

    def __init__(self, sites: dict[int, dict[str, Any]], down: Callable[[int, str], bool] = lambda site, stage: False) -> None:
        self.app, self.down = client_app(), down
        self.contexts = {site: Context(1, site, settings, RecordDict(), {}) for site, settings in sites.items()}
        self.received: list[Message] = []

    def get_node_ids(self) -> list[int]:
        return list(self.contexts)

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        replies = []
        # As over the wire, each gets a copy of its own: sites take entries out of what they read.
        for message in map(deepcopy, messages):
            site = message.metadata.dst_node_id
            message.metadata.__dict__["_message_id"] = f"{site}-{len(self.received)}"
            message.metadata.__dict__["_src_node_id"] = 0
            stage = message.content.config_records["secaggplus_configs"]["stage"]
            if self.down(site, str(stage)):
                continue
            try:
                reply = self.app(message, self.contexts[site])
            except (RuntimeError, ValueError):
                continue
            reply.metadata.__dict__["_src_node_id"] = site
            replies.append(reply)
        self.received += replies
        return replies


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[np.ndarray]]:
    """What each site sends, by the name in its settings, in place of sums of a table."""
    drawn = np.random.default_rng(0)
    found = {name: [drawn.normal(size=(3, 4)), np.float64(drawn.normal(size=5))] for name in "abc"}
    monkeypatch.setattr(federated_app, "site_answer", lambda settings, told: found[str(settings["name"])])
    return found


def grid_of(names: str, down: Callable[[int, str], bool] = lambda site, stage: False) -> Grid:
    return Grid({11 + index: {"name": name} for index, name in enumerate(names)}, down)


def ask_of(grid: Grid, told: list[str]) -> Callable[[str, str, float], list[np.ndarray]]:
    return secure_ask(grid, Context(1, 0, {}, RecordDict(), {}), PLAN.sha256, 5.0, told.append)


def test_the_sum_is_that_of_the_sites(answers: dict[str, list[np.ndarray]]) -> None:
    told: list[str] = []
    sums = ask_of(grid_of("abc"), told)("counts", "{}", 8.0)
    for index, array in enumerate(sums):
        np.testing.assert_allclose(array, sum(answers[name][index] for name in "abc"), atol=1e-7)
    assert told == []


def test_the_server_receives_masks(answers: dict[str, list[np.ndarray]]) -> None:
    """What comes from a site are numbers over the whole range, other ones each time, though all that it sent is zeros."""
    answers.update({name: [np.zeros(4000)] for name in "abc"})
    grid = grid_of("abc")
    ask = ask_of(grid, [])
    ask("counts", "{}", 8.0)
    ask("counts", "{}", 8.0)
    sent = [reply.content for reply in grid.received if "masked_params" in reply.content.config_records["secaggplus_configs"]]
    assert len(sent) == 6 and not any(record for content in sent for record in content.array_records.values())
    vectors = [
        np.frombuffer(content.config_records["secaggplus_configs"]["masked_params"][1], dtype=np.int64)[-4000:]
        for content in sent
    ]
    for index, vector in enumerate(vectors):
        # Zeros would all be the middle of the clipping range without a mask; masked they are uniform.
        shares = np.histogram(vector, 10, (0, MODULUS))[0] / 4000
        np.testing.assert_allclose(shares, 0.1, atol=0.025)
        for other in vectors[:index]:
            assert abs(np.corrcoef(vector, other)[0, 1]) < 0.06
    # The number of a site's patients does not go out in clear either.
    assert all(
        record["num_examples"] == 1
        for content in sent
        for record in content.metric_records.values()
        if "num_examples" in record
    )


@pytest.mark.parametrize("stage", ["setup", "share_keys", "collect_masked_vectors", "unmask"])
def test_a_site_that_drops_out_in_mid_round(answers: dict[str, list[np.ndarray]], stage: str) -> None:
    gone: list[int] = []

    def down(site: int, at: str) -> bool:
        if site == 12 and at == stage:
            gone.append(site)
        return site in gone

    told: list[str] = []
    ask = ask_of(grid_of("abc", down), told)
    with_all = stage == "unmask"
    for names in (("abc" if with_all else "ac"), "ac"):
        sums = ask("counts", "{}", 8.0)
        np.testing.assert_allclose(sums[0], sum(answers[name][0] for name in names), atol=1e-7)
    assert told == ["counts: 1 of the sites did not answer and are asked no more; 2 are left"]


def test_a_vote_takes_no_other_away(answers: dict[str, list[np.ndarray]]) -> None:
    """A site that votes with -1 would hide another's 1 in a sum; votes are counted one by one."""
    for name, vote in (("a", 1.0), ("b", 0.0), ("c", -1.0)):
        answers[name] = [np.ones(2), np.array([vote, 1.0])]
    *sums, votes = ask_of(grid_of("abc"), [])("step", "{}", 8.0)
    np.testing.assert_array_equal(votes, [2.0, 3.0])
    np.testing.assert_allclose(sums[0], 3.0, atol=1e-7)


def test_two_sites_that_drop_out_end_the_training(answers: dict[str, list[np.ndarray]]) -> None:
    ask = ask_of(grid_of("abc", lambda site, stage: site > 11 and stage == "collect_masked_vectors"), [])
    with pytest.raises(MethodError, match="1 sites are left"):
        ask("counts", "{}", 8.0)


def test_a_site_cannot_count_as_two(answers: dict[str, list[np.ndarray]], monkeypatch: pytest.MonkeyPatch) -> None:
    ones = federated_app.np.ones
    monkeypatch.setattr(federated_app.np, "ones", lambda count: 2.0 * ones(count))
    with pytest.raises(MethodError, match="do not add up to a sum of 3 sites"):
        ask_of(grid_of("abc"), [])("counts", "{}", 8.0)


def test_masks_take_the_whole_seed() -> None:
    """Seeds whose 4-byte words have the same exclusive or gave the same masks in Flower 1.41: here they do not."""
    first, second = b"\x01\x00\x00\x00" + bytes(28), bytes(4) + b"\x01\x00\x00\x00" + bytes(24)
    one, other = masks(first, MODULUS, [(2000,), ()])
    assert one.min() >= 0 and one.max() < MODULUS and one.mean() == pytest.approx(MODULUS / 2, rel=0.05) and other.shape == ()
    assert not np.array_equal(one, masks(second, MODULUS, [(2000,)])[0])
    np.testing.assert_array_equal(one, masks(first, MODULUS, [(2000,)])[0])
    need_flower()
    from flwr.client.mod.secure_aggregation import secaggplus_mod as client  # the function: its globals are the module's

    assert client.__globals__["pseudo_rand_gen"] is masks


def test_a_site_answers_nothing_unmasked(answers: dict[str, list[np.ndarray]]) -> None:
    app = client_app()
    context = Context(1, 11, {"name": "a"}, RecordDict(), {})
    for kind in ("train", "evaluate", "query"):
        message = Message(RecordDict(), dst_node_id=11, message_type=kind)
        with pytest.raises(ValueError, match="secure aggregation only" if kind == "train" else "No .* function"):
            app(message, context)


def test_an_error_quotes_no_row(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        raise KeyError("Jane Doe, 57")

    with pytest.raises(RuntimeError, match="its own log says why") as told:
        kept_to_oneself(fails)
    assert "Doe" not in str(told.value) and "Doe" not in capsys.readouterr().out


def test_the_app_trains_on_three_tables(tmp_path: Path) -> None:
    """Server and sites as Flower runs them, but in this process: the model file, and a record of what each site sent."""
    lines = (shared_data("clinical") / "bnaiar_adb_raw.csv").read_text("utf-8").splitlines()
    tables = {}
    for site in range(3):
        table = tmp_path / f"{site}.csv"
        table.write_text("\n".join([lines[0], *lines[1 + site :: 3]]) + "\n", "utf-8")
        tables[site + 11] = {"table": str(table), "columns": "bnaiar", "record": str(tmp_path / f"sent-{site}")}
    settings = {"output": str(tmp_path / "model"), "plan": "", "sites": 3, "timeout-s": 5.0}
    server_app()(Grid(tables), Context(1, 0, {}, RecordDict(), settings))
    model = json.loads((tmp_path / "model" / "resemblance.json").read_text("utf-8"))
    assert model["trained_on"]["cases"] > 700 and model["performance"]["auc"] > 0.7
    notes = [json.loads(line) for line in (tmp_path / "sent-0" / "sent.jsonl").read_text("utf-8").splitlines()]
    assert [note["kind"] for note in notes][:3] == ["counts", "moments", "step"] and notes[-1]["kind"] == "outcomes"


def test_a_model_that_is_not_known_leaves_a_refusal(tmp_path: Path) -> None:
    settings = {"model": "segmenter", "output": str(tmp_path / "model"), "plan": "", "sites": 3, "timeout-s": 5.0}
    server_app()(Grid({}), Context(1, 0, {}, RecordDict(), settings))
    assert "'segmenter' is not trained across sites" in (tmp_path / "model" / "refused.txt").read_text("utf-8")


def test_another_plan_is_not_answered(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('id = "other"\npenalty = 1.0\nseed = 1\n[numbers]\n[levels]\nsex = ["female", "male"]\n', "utf-8")
    settings = {"table": "none.csv", "columns": "", "plan": str(plan)}
    with pytest.raises(RuntimeError, match="cannot answer"):
        kept_to_oneself(
            lambda: federated_app.site_answer(settings, {"plan": PLAN.sha256, "kind": "counts", "content": "{}", "bound": 1.0})
        )
