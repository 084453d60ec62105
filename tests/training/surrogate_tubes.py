"""Prepared cases for the surrogate's training from tubes with a sac: what `aneuflow train surrogate` would write."""

from __future__ import annotations

import numpy as np


def nearest(sources: np.ndarray, targets: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    distance = np.linalg.norm(targets[:, None] - sources[None], axis=2)
    index = np.argsort(distance, axis=1)[:, :count]
    weight = 1.0 / np.maximum(np.take_along_axis(distance, index, 1), 1e-4) ** 2
    return index, weight / weight.sum(axis=1, keepdims=True)


def prepared_tube(seed: int, count: int = 128, inside: int = 48) -> dict[str, np.ndarray]:
    """A tube along the first axis whose upper side is the sac: its wall shear is Poiseuille's, in the sac a part of it.

    The part goes with the size ratio among the scalars. The coarse flow is one fifth low everywhere.
    """
    rng = np.random.default_rng(seed)
    radius, part = rng.uniform(0.35, 0.6), rng.uniform(0.1, 0.5)
    along, angle = rng.uniform(-2, 2, count), rng.uniform(0, 2 * np.pi, count)
    normal = np.stack([np.zeros(count), np.cos(angle), np.sin(angle)], axis=1)
    points = np.stack([along, radius * normal[:, 1], radius * normal[:, 2]], axis=1)
    region = ((normal[:, 2] > 0.3) & (np.abs(along) < 0.8)).astype(float)
    direction = np.tile([1.0, 0.0, 0.0], (count, 1))
    tube = 1.0 / (2 * radius) ** 3
    shear = direction * (tube * np.where(region == 1, part, 1.0))[:, None]
    drop = 0.2 * (2 - along) / (2 * radius) ** 4
    depth = radius * rng.uniform(0.05, 1, inside)
    lumen = np.stack([rng.uniform(-2, 2, inside), np.zeros(inside), depth - radius], axis=1)
    velocity = np.zeros((inside, 3))
    velocity[:, 0] = 2 * (1 - (1 - depth / radius) ** 2) / (2 * radius) ** 2
    size = np.linalg.norm(0.8 * shear, axis=1)
    loss = 1.2 * float(drop.max())
    case = {
        "wall_vectors": np.stack([points, normal, direction], axis=1),
        "wall_scalars": np.stack([region, np.full(count, radius), along, np.full(count, np.log(tube)), drop], axis=1),
        "area": np.full(count, 0.1),
        "region": region,
        "shear_base": direction * np.where(region == 1, 0.0, tube)[:, None],
        "shear_scale": np.where(region == 1, 0.3, tube),
        "pressure_base": drop,
        "pressure_scale": np.full(count, 1.0),
        "scalars": np.array([5.0, 1.0, part, np.nan, 1.0]),
        "numbers_base": np.array([drop.max(), 10.0]),
        "coarse_vectors": np.stack([0.8 * shear / size[:, None], 0.1 * direction], axis=1),
        "coarse_scalars": np.column_stack([np.log(size), np.full(count, -1.0), drop / drop.max(), np.full((count, 2), -2.0)]),
        "coarse_shear_base": 0.8 * shear,
        "coarse_shear_scale": size,
        "coarse_pressure_base": 1.1 * drop,
        "coarse_pressure_scale": np.full(count, 1.0),
        "coarse_numbers_base": np.array([1.1 * loss, 8.0]),
        "lumen_vectors": np.stack([lumen, np.tile([1.0, 0.0, 0.0], (inside, 1))], axis=1),
        "lumen_scalars": np.stack([np.zeros(inside), np.full(inside, radius), lumen[:, 0], depth], axis=1),
        "lumen_region": np.zeros(inside),
        "no_slip": depth / (depth + 0.03),
        "velocity_base": velocity,
        "velocity_scale": np.full(inside, 0.2),
        "coarse_velocity_base": 0.9 * velocity,
        "coarse_velocity_scale": np.full(inside, 0.2),
        "shear": shear,
        "pressure": drop,
        "velocity": velocity,
        "numbers": np.array([loss, 10.0 * part]),
    }
    case["lumen_up"], case["lumen_weight"] = nearest(points, lumen, 3)
    for level in (1, 2, 3):
        chosen = rng.permutation(len(points))[: max(len(points) // 4, 4)]
        case[f"pick_{level}"] = chosen
        case[f"near_{level}"] = nearest(points, points[chosen], min(8, len(points)))[0]
        case[f"up_{level}"], case[f"weight_{level}"] = nearest(points[chosen], points, 3)
        points = points[chosen]
    return {name: values if values.dtype.kind == "i" else values.astype(np.float32) for name, values in case.items()}
