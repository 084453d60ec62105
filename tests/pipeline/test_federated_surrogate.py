"""The surrogate's last layers tuned across sites: a site's answers, and all of it over the network as an administrator sets it
up, with torch in a process of another interpreter.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="tuning across sites needs onnx: make test-federated")

from aneuflow.numerics.averaging import Question, Weights
from aneuflow.pipeline.federated_surrogate import surrogate_site, tuned_networks, tuning_of
from aneuflow.surrogate.calibrate import conformal_factors, errors, scores
from aneuflow.surrogate.compact import write_compact
from aneuflow.surrogate.network import KINDS, ask, load_ensemble
from aneuflow.surrogate.train.onnx_heads import heads_in
from aneuflow.surrogate.train.site_answers import SurrogateSite, answer, write_tuned
from tests.pipeline.flower_network import running_network
from tests.pipeline.test_train_surrogate import TINY, database_row, tube

SPLITS = ("train",) * 4 + ("validation",) * 3 + ("test",) * 3
PYTHON = Path(os.environ.get("ANEUFLOW_TORCH_PYTHON", Path(__file__).parents[2] / ".venv-train" / "bin" / "python"))
PLAN = """id = "tubes"
rounds = 2
epochs = 1
batch = 1
learning_rate = 0.003
seed = 1
"""
needs_torch = pytest.mark.skipif(not PYTHON.exists(), reason="tuning needs torch: make test-train")
Settings = dict[str, str]


@pytest.fixture
def settings(tmp_path: Path) -> list[Settings]:
    """What three sites' nodes are told: each has a compact database of ten tubes of its own patients."""
    (tmp_path / "plan.toml").write_text(PLAN)
    made = []
    for site in range(3):
        numbers = range(10 * site, 10 * (site + 1))
        rows = [database_row(number, split) for number, split in zip(numbers, SPLITS, strict=True)]
        write_compact(tmp_path / f"database-{site}", rows, [tube(number) for number in numbers])
        made.append(
            {"database": str(tmp_path / f"database-{site}"), "prepared": str(tmp_path / f"prepared-{site}"),
             "networks": str(TINY), "python": str(PYTHON), "tuning-plan": str(tmp_path / "plan.toml")}
        )  # fmt: skip
    return made


def sites_of(settings: list[Settings]) -> list[SurrogateSite]:
    plan, networks, _ = tuning_of(settings[0], settings[0]["tuning-plan"])
    return [surrogate_site(one, plan, networks) for one in settings]


def test_a_site_says_what_its_held_out_cases_say(settings: list[Settings], tmp_path: Path) -> None:
    """Of heads as they are nothing has changed; the counts are those of the errors and scores of each case."""
    site = sites_of(settings)[0]
    found, off, vote = answer(site, Question("scores", json.dumps({"heads": heads_in(TINY).tolist()}), 10.0))
    np.testing.assert_array_equal(off[0], off[1])
    np.testing.assert_array_equal(vote, [0.0, 1.0])
    ensemble, held_out = load_ensemble(TINY), site.cases["test"]
    assert len(held_out) == 3
    for row, coarse in enumerate(KINDS.values()):
        each = [ask(ensemble, case, coarse) for case in held_out.values()]
        wanted = [scores(one, case) for one, case in zip(each, held_out.values(), strict=True)]
        assert found[row].sum(axis=1).tolist() == [3.0, 3.0, 3.0, 0.0]  # of no tube the inflow into the sac is known
        assert off[0, row].sum() == 3 and {name for score in wanted for name in score} == {"point", "sac_mean", "pressure_loss"}
    other = np.random.default_rng(0).normal(0.0, 1.0, heads_in(TINY).shape)
    assert answer(site, Question("scores", json.dumps({"heads": other.tolist()}), 10.0))[2].tolist() == [1.0, 1.0]


@needs_torch
def test_sites_send_their_share_of_bounded_updates_and_vote(settings: list[Settings]) -> None:
    sites = sites_of(settings)[:2]
    heads = heads_in(TINY)
    told = {"accepted": heads.tolist(), "candidate": heads.tolist(), "cases": 8}
    sums = [answer(site, Question("heads", json.dumps(told), 1.0)) for site in sites]
    share, updates, votes = (np.sum(arrays, axis=0) for arrays in zip(*sums, strict=True))
    assert share == 1.0 and votes.tolist() == [0.0, 2.0] and updates.shape == heads.shape
    assert all(0.0 < length < 1.0 for length in np.linalg.norm(updates, axis=1))
    worse = {**told, "candidate": np.random.default_rng(0).normal(0.0, 1.0, heads.shape).tolist()}
    assert answer(sites[0], Question("heads", json.dumps(worse), 1.0))[-1].tolist() == [1.0, 1.0]


def sac_errors(networks: Path, sites: list[SurrogateSite]) -> np.ndarray:
    """(kinds,) what the sac's mean wall shear of all held-out cases is off in the mean."""
    ensemble, cases = load_ensemble(networks), [case for site in sites for case in site.cases["test"].values()]
    answers = [[ask(ensemble, case, coarse).mean for case in cases] for coarse in KINDS.values()]
    return np.array(
        [np.mean([errors(one["shear"], one["pressure"], case)["sac_mean"] for one, case in zip(those, cases, strict=True)])
         for those in answers]
    )  # fmt: skip


@pytest.mark.slow
@needs_torch
def test_three_sites_tune_the_surrogate_over_the_network(settings: list[Settings], tmp_path: Path) -> None:
    pytest.importorskip("flwr", reason="training across sites needs flwr: make test-federated")
    plan, networks, _ = tuning_of(settings[0], settings[0]["tuning-plan"])
    nodes = [" ".join(f'{name}="{value}"' for name, value in one.items()) for one in settings]
    with running_network(tmp_path, nodes) as network:
        made = network.trained(f'model="surrogate" plan="{tmp_path / "plan.toml"}" networks="{networks}"')
        sent = [[note["kind"] for note in network.sent(site)] for site in range(3)]
    assert (made / "surrogate.json").exists(), (made / "refused.txt").read_text("utf-8")
    assert sent == [["cases", "heads", "heads", "heads", "scores"]] * 3
    sites = sites_of(settings)

    def in_the_open(question: Question) -> Weights:
        return [np.sum(arrays, axis=0) for arrays in zip(*(answer(site, question) for site in sites), strict=True)]

    # The masks take nothing away: the same questions asked in the open give the same heads.
    plain = tuned_networks(in_the_open, plan, networks, 3, ())
    (tmp_path / "plain").mkdir()
    for name, content in plain.items():
        (tmp_path / "plain" / name).write_bytes(content)
    np.testing.assert_allclose(heads_in(made), heads_in(tmp_path / "plain"), atol=1e-6)
    assert np.abs(heads_in(made) - heads_in(networks)).max() > 1e-3
    # Nor are they worse than the networks as they were, on cases that no one tuned or voted by.
    assert (sac_errors(made, sites) < sac_errors(networks, sites)).all()
    card = json.loads((made / "surrogate.json").read_text("utf-8"))
    assert (card["tuned"]["cases"], card["tuned"]["patients"], card["tuned"]["sites"]) == (12, 12, 3)
    assert card["limits"] == load_ensemble(networks).card["limits"] and len(card["training_sha256"]) == 64
    cases = [(case, site.patients[id]) for site in sites for id, case in site.cases["test"].items()]
    found = [scores(ask(load_ensemble(made), case, True), case) for case, _ in cases]
    for name, wanted in conformal_factors(found, [patient for _, patient in cases]).items():
        given = card["intervals"]["coarse"][name]
        assert given["patients"] == wanted["patients"] and 1.0 - 1e-6 <= given["factor"] / wanted["factor"] < 1.08


def test_other_networks_or_another_plan_have_another_hash(settings: list[Settings], tmp_path: Path) -> None:
    _, networks, agreed = tuning_of(settings[0], settings[0]["tuning-plan"])
    write_tuned(networks, heads_in(networks) + 1e-3, tmp_path / "other")
    assert tuning_of({"networks": str(tmp_path / "other")}, settings[0]["tuning-plan"])[2] != agreed
    assert tuning_of(settings[0], "")[2] != agreed
    assert replace(tuning_of(settings[0], "")[0], id="tubes").sha256 != tuning_of(settings[0], "")[0].sha256
