"""Sums over sites of which the server sees the total alone: SecAgg+ as Flower has it, with masks of full strength.

Each site adds masks to what it sends; the masks of all sites cancel in the sum. Those of a site that drops out on the way are
found again from shares that the others hold. Source: Bell et al., CCS 2020 (SecAgg+).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from aneuflow.errors import MethodError, ResourceError
from aneuflow.types import FloatArray

LEAST_SITES = 3
LEAST_LEFT = 2
# Half of the sites and one more are needed to take off the masks, two at least.
SHARES_NEEDED = 0.6
LEVELS = 2**30
MODULUS = 2**36
AGAINST = "against"
Sums = list[FloatArray]


def need_flower() -> None:
    """Use masks of full strength in Flower's SecAgg+. Raises ResourceError where Flower is not there or not as known.

    As it comes (1.41) it folds the 32 bytes of a mask's seed to 4, which a server can try out one by one.
    """
    try:
        from importlib import import_module

        parts = [
            import_module("flwr.client.mod.secure_aggregation.secaggplus_mod"),
            import_module("flwr.server.workflow.secure_aggregation.secaggplus_workflow"),
        ]
    except ImportError as error:
        raise ResourceError(f"Training across sites needs {error.name}: `pip install aneuflow[federated]`.") from error
    for part in parts:
        if not hasattr(part, "pseudo_rand_gen"):
            raise ResourceError(
                "This version of flwr makes its masks in another way; install one that aneuflow[federated] names."
            )
        setattr(part, "pseudo_rand_gen", masks)  # noqa: B010


def masks(seed: bytes, modulus: int, shapes: Sequence[tuple[int, ...]]) -> list[npt.NDArray[np.int64]]:
    """Arrays of these shapes, uniform from 0 to below `modulus` (a power of 2), the same for the same seed: ChaCha20."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

    # The seed is secret, made for this exchange and used once, so the nonce can be fixed.
    stream = Cipher(algorithms.ChaCha20(hashlib.sha256(seed).digest(), bytes(16)), mode=None).encryptor()
    drawn = (np.frombuffer(stream.update(bytes(8 * int(np.prod(shape, dtype=int)))), dtype="<u8") for shape in shapes)
    return [
        (values & np.uint64(modulus - 1)).astype(np.int64).reshape(shape) for values, shape in zip(drawn, shapes, strict=True)
    ]


def secure_sum(
    grid: Any, context: Any, sites: Sequence[int], question: Mapping[str, Any], bound: float, timeout_s: float
) -> tuple[Sums | None, list[int]]:
    """The sums of what these sites answer, entries within -bound and bound each, and the sites that were there to the end.

    The last of them is [sites that vote against, voters] where the sites vote; votes come in the open, since a masked one could
    take others away. None in place of the sums where too few answered, or where the sum is not of as many sites as did.
    """
    from flwr.app import ArrayRecord, ConfigRecord
    from flwr.server.compat.legacy_context import LegacyContext
    from flwr.server.workflow import SecAggPlusWorkflow

    watched, course = _Watched(grid, sites), _Course(sites, question)
    told = LegacyContext(context, strategy=course, client_manager=course)
    told.state.config_records["config"] = ConfigRecord({"current_round": 1})
    told.state.array_records["parameters"] = ArrayRecord()
    workflow = SecAggPlusWorkflow(
        1.0, SHARES_NEEDED, max_weight=1.0, clipping_range=bound, quantization_range=LEVELS, modulus_range=MODULUS,
        timeout=timeout_s,
    )  # fmt: skip
    with suppress(_LeftEarly):
        workflow(watched, told)
    if course.mean is None:
        return None, watched.there
    *sums, ones = [course.count * array for array in course.mean]
    votes = [np.array([sum(course.against), len(course.against)], dtype=np.float64)] if course.against else []
    return ([*sums, *votes] if abs(float(ones[0]) - course.count) < 0.01 else None), watched.there


def secure_ask(
    grid: Any, context: Any, plan_sha256: str, timeout_s: float, tell: Callable[[str], None]
) -> Callable[[str, str, float], Sums]:
    """A way to ask all sites (kind, content, bound) for sums. A site that once did not answer is asked no more in this run:

    the difference between sums with and without it would be its own.
    """
    sites = sorted(grid.get_node_ids())

    def ask(kind: str, content: str, bound: float) -> Sums:
        nonlocal sites
        while len(sites) >= LEAST_LEFT:
            question = {"kind": kind, "content": content, "bound": bound, "plan": plan_sha256}
            sums, there = secure_sum(grid, context, sites, question, bound, timeout_s)
            gone = sorted(set(sites) - set(there))
            sites = sorted(there)
            if gone:
                tell(f"{kind}: {len(gone)} of the sites did not answer and are asked no more; {len(sites)} are left")
            if sums is not None:
                return sums
            if not gone:
                raise MethodError(f"The sites' {kind} do not add up to a sum of {len(sites)} sites; find the site that cheats.")
        raise MethodError(f"{len(sites)} sites are left, and no fewer than {LEAST_LEFT} can train together; start again later.")

    return ask


class _LeftEarly(Exception):
    """A site left before it had given shares of its masks: the round cannot be finished by the others."""


class _Watched:
    """A grid that remembers which of the sites have answered everything so far.

    Flower's workflow would go on after a site has left early, and the others would fail for want of its shares.
    """

    def __init__(self, grid: Any, sites: Sequence[int]) -> None:
        self.grid, self.there = grid, list(sites)

    def send_and_receive(self, messages: Iterable[Any], *, timeout: float | None = None) -> list[Any]:
        from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS, Key, Stage

        sent = list(messages)
        replies = list(self.grid.send_and_receive(sent, timeout=timeout))
        asked = {message.metadata.dst_node_id for message in sent}
        answered = {reply.metadata.src_node_id for reply in replies if not reply.has_error()}
        self.there = [site for site in self.there if site not in asked or site in answered]
        stage = sent[0].content.config_records[RECORD_KEY_CONFIGS][Key.STAGE]
        if asked - answered and stage in (Stage.SETUP, Stage.SHARE_KEYS):
            raise _LeftEarly
        return replies


class _Course:
    """What Flower's workflow asks of a strategy and of a client manager: whom to ask what, and where the mean goes."""

    def __init__(self, sites: Sequence[int], question: Mapping[str, Any]) -> None:
        self.sites, self.question = sites, question
        self.mean: Sums | None = None
        self.count = 0
        self.against: list[bool] = []

    def num_available(self) -> int:
        return len(self.sites)

    def configure_fit(self, server_round: int, parameters: Any, client_manager: Any) -> list[tuple[Any, Any]]:
        from flwr.common import FitIns

        return [(_Site(site), FitIns(parameters, dict(self.question))) for site in self.sites]

    def aggregate_fit(self, server_round: int, results: Sequence[Any], failures: Sequence[Any]) -> tuple[None, dict[str, Any]]:
        from flwr.common import parameters_to_ndarrays

        self.count = len(results)
        metrics = [answer.metrics for _, answer in results]
        self.against = [bool(found[AGAINST]) for found in metrics if AGAINST in found]
        if results:
            self.mean = parameters_to_ndarrays(results[0][1].parameters)
        return None, {}


class _Site:
    def __init__(self, node_id: int) -> None:
        self.node_id = node_id
