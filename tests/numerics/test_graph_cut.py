"""The cut against cases whose optimum is known and against trying all choices."""

import itertools

import numpy as np

from aneuflow.numerics.graph_cut import minimum_cut


def worth(chosen: np.ndarray, pairs: np.ndarray, cost: np.ndarray, gain: np.ndarray) -> float:
    return float(gain[chosen].sum() - cost[chosen[pairs[:, 0]] != chosen[pairs[:, 1]]].sum())


def test_chain_is_cut_at_its_cheapest_link() -> None:
    pairs = np.array([[k, k + 1] for k in range(5)])
    chosen = minimum_cut(pairs, np.array([3.0, 3, 0.5, 3, 3]), np.array([9.0, 0, 0, 0, 0, -9]))
    assert chosen.tolist() == [True, True, True, False, False, False]


def test_nothing_is_chosen_where_the_border_costs_more_than_it_brings() -> None:
    assert not minimum_cut(np.array([[0, 1]]), np.array([5.0]), np.array([1.0, -2.0])).any()


def test_choice_is_the_best_of_all() -> None:
    rng = np.random.default_rng(3)
    pairs = np.array(list(itertools.combinations(range(8), 2)))
    for _ in range(20):
        cost, gain = rng.uniform(0, 1, len(pairs)), rng.normal(0, 2, 8)
        best = max(worth(np.array(bits), pairs, cost, gain) for bits in itertools.product([False, True], repeat=8))
        assert abs(worth(minimum_cut(pairs, cost, gain), pairs, cost, gain) - best) < 1e-4
