"""Polynomial chaos: a model's answer as a sum of orthogonal polynomials of its inputs, and what share each input has in it.

Least squares on a design of points (Sudret 2008): variances and Sobol indices follow from the coefficients.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aneuflow.types import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Expansion:
    """Coefficients (terms,) of products of normalized Legendre polynomials, powers (terms, inputs) their degrees.

    explained: the share of the answers' variance that is foretold where each point is left out in turn (at most 1).
    """

    coefficients: FloatArray
    powers: IntArray
    explained: float

    @property
    def mean(self) -> float:
        return float(self.coefficients[~self.powers.any(axis=1)].sum())

    @property
    def variance(self) -> float:
        return float((self.coefficients[self.powers.any(axis=1)] ** 2).sum())

    def at(self, points: FloatArray) -> FloatArray:
        """The answer (n,) at points (n, inputs) in [0, 1]."""
        return np.asarray(_products(points, self.powers) @ self.coefficients)

    def first_order(self) -> FloatArray:
        """For each input the share of the variance that it has by itself, (inputs,)."""
        others = self.powers.sum(axis=1, keepdims=True) - self.powers
        return self._shares((self.powers > 0) & (others == 0))

    def total(self) -> FloatArray:
        """For each input the share of the variance that it has by itself and together with others, (inputs,)."""
        return self._shares(self.powers > 0)

    def _shares(self, chosen: npt.NDArray[np.bool_]) -> FloatArray:
        return np.asarray((self.coefficients**2) @ chosen / max(self.variance, 1e-300))


def expansion(points: FloatArray, values: FloatArray, highest: int) -> Expansion:
    """The expansion of values (n,) at points (n, inputs), evenly likely in [0, 1], of the degree up to `highest` that foretells
    left-out points best.

    A degree is tried where it has at most half as many terms as there are points. Raises ValueError where none has.
    """
    tried = []
    for degree in range(1, highest + 1):
        powers = _powers(points.shape[1], degree)
        if 2 * len(powers) <= len(points):
            tried.append(_fitted(points, values, powers))
    if not tried:
        raise ValueError(f"{len(points)} points are too few for an expansion in {points.shape[1]} inputs")
    return max(tried, key=lambda one: one.explained)


def _fitted(points: FloatArray, values: FloatArray, powers: IntArray) -> Expansion:
    products = _products(points, powers)
    q, r = np.linalg.qr(products)
    missed = values - q @ (q.T @ values)
    left_out = missed / np.maximum(1.0 - (q**2).sum(axis=1), 1e-9)
    explained = 1.0 - float(np.mean(left_out**2) / max(float(np.var(values, ddof=1)), 1e-300))
    return Expansion(np.linalg.solve(r, q.T @ values), powers, explained)


def _powers(inputs: int, degree: int) -> IntArray:
    """All degrees (terms, inputs) whose sum is at most `degree`, the constant first."""
    found = [power for power in itertools.product(range(degree + 1), repeat=inputs) if sum(power) <= degree]
    return np.array(sorted(found, key=lambda power: (sum(power), power)), dtype=np.int32)


def _products(points: FloatArray, powers: IntArray) -> FloatArray:
    made = np.ones((len(points), len(powers)))
    for column in range(points.shape[1]):
        legendre = np.polynomial.legendre.legvander(2.0 * points[:, column] - 1.0, int(powers.max()))
        made *= (legendre * np.sqrt(2.0 * np.arange(legendre.shape[1]) + 1.0))[:, powers[:, column]]
    return made
