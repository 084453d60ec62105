"""The cheapest way to part the nodes of a graph in two."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

# scipy's maximum flow works on integers; 1e-6 of the largest sum keeps costs far finer than any of them is known.
_LARGEST = 1_000_000


def minimum_cut(pairs: npt.NDArray[Any], pair_cost: FloatArray, gain: FloatArray) -> BoolArray:
    """The nodes (n,) whose choice maximizes the sum of their gains less the cost of the pairs it parts.

    pairs (k, 2) node indices; pair_cost (k,) >= 0, paid where one node of a pair is chosen and the other is not;
    gain (n,) of any sign, in the unit of pair_cost. The exact optimum by maximum flow (Boykov and Jolly 2001).
    """
    n = len(gain)
    liked, disliked = np.flatnonzero(gain > 0), np.flatnonzero(gain < 0)
    rows = np.concatenate([pairs[:, 0], pairs[:, 1], np.full(len(liked), n), disliked])
    columns = np.concatenate([pairs[:, 1], pairs[:, 0], liked, np.full(len(disliked), n + 1)])
    cost = np.concatenate([pair_cost, pair_cost, gain[liked], -gain[disliked]])
    scale = _LARGEST / max(float(cost.max(initial=0.0)), 1e-300)
    capacity = sparse.csr_array((np.round(cost * scale).astype(np.int32), (rows, columns)), shape=(n + 2, n + 2))
    residual = capacity - csgraph.maximum_flow(capacity, n, n + 1).flow
    residual.data = np.maximum(residual.data, 0)
    residual.eliminate_zeros()
    chosen = np.zeros(n + 2, dtype=bool)
    chosen[csgraph.breadth_first_order(residual, n, return_predecessors=False)] = True
    return chosen[:n]
