"""Training across sites as an administrator sets it up: server and sites as processes of their own on this machine, over TLS,
sites known by their keys.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("flwr", reason="training across sites needs flwr: make test-federated")

from aneuflow.numerics.classification import auc
from aneuflow.risk.train.models import fit_additive, model_of
from aneuflow.risk.train.sums import SiteParts, read_study_plan, site_parts
from aneuflow.risk.train.table import read_cohort, read_columns
from tests.conftest import shared_data
from tests.pipeline.flower_network import Network, running_network
from tests.risk.test_together import together

PLAN = read_study_plan()
pytestmark = pytest.mark.slow


@pytest.fixture
def tables(tmp_path: Path) -> list[Path]:
    """The tables of three sites: the smaller collection, the larger one cut in two."""
    lines = (shared_data("clinical") / "bnaiar_adb_raw.csv").read_text("utf-8").splitlines()
    center = lines[0].replace('"', "").split(",").index("db")
    larger, smaller = (
        [line for line in lines[1:] if (line.split(",")[center].strip('"') == "aneux") == is_small]
        for is_small in (False, True)
    )
    made = [tmp_path / f"table-{site}.csv" for site in range(3)]
    for table, rows in zip(made, (larger[0::2], larger[1::2], smaller), strict=True):
        table.write_text("\n".join([lines[0], *rows]) + "\n", "utf-8")
    return made


@pytest.fixture
def parts(tables: list[Path]) -> list[SiteParts]:
    return [site_parts(read_cohort(table, read_columns("bnaiar")), PLAN) for table in tables]


@pytest.fixture
def network(tmp_path: Path, tables: list[Path]) -> Iterator[Network]:
    with running_network(tmp_path, [f'table="{table}" columns="bnaiar"' for table in tables]) as made:
        yield made


def held_out_auc(parts: list[SiteParts], model: Callable[..., np.ndarray]) -> np.ndarray:
    return np.array([auc(site.held_out.ruptured, model(site.held_out)) for site in parts])


def test_three_sites_train_over_the_network(network: Network, parts: list[SiteParts]) -> None:
    made = network.trained()
    assert (made / "resemblance.json").exists(), (made / "refused.txt").read_text("utf-8")
    model = model_of(json.loads((made / "resemblance.json").read_text("utf-8")))
    pooled = fit_additive(together([site.training for site in parts]), PLAN.penalty, None)
    np.testing.assert_allclose(held_out_auc(parts, model), held_out_auc(parts, pooled), atol=0.02)
    # Nothing that a site had in clear passed through the server, and the site's own record is all that it was asked.
    assert [len(network.sent(site)) for site in range(3)] == [len(network.sent(0))] * 3
    assert {note["kind"] for note in network.sent(0)} == {"counts", "moments", "step", "outcomes"}


def test_a_site_that_is_cut_off_spoils_nothing(network: Network, parts: list[SiteParts]) -> None:
    """The third site's node is killed in the fourth exchange; the others go on without it."""

    def cut_off() -> None:
        if len(network.sent(2)) >= 3:
            network.nodes[2].kill()

    made = network.trained(meanwhile=cut_off)
    assert (made / "resemblance.json").exists(), (made / "refused.txt").read_text("utf-8")
    model = model_of(json.loads((made / "resemblance.json").read_text("utf-8")))
    others = fit_additive(together([site.training for site in parts[:2]]), PLAN.penalty, None)
    assert (held_out_auc(parts, model) > held_out_auc(parts, others) - 0.02).all()
    told = json.loads((made / "results.json").read_text("utf-8"))["sites"]
    assert len(told) == 1 and "1 of the sites did not answer and are asked no more; 2 are left" in told[0]
