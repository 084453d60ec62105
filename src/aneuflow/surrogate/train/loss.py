"""How far a prediction is from the solved flow, in parts of the flow itself."""

from __future__ import annotations

import torch
from torch import Tensor

_TINY = 1e-6
_FLOOR = 0.1


def loss_of(answer: dict[str, Tensor], wanted: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The loss of one case, and of it what the sac's wall shear is off: relative L2 plus the log of the ratio of the means."""
    area, sac = wanted["area"], wanted["region"] == 1
    shear, artery = torch.zeros(()), _relative(answer["shear"], wanted["shear"], area * ~sac)
    if bool(sac.any()):
        shear = _relative(answer["shear"], wanted["shear"], area * sac)
        given, true = (
            (area * sac * torch.sqrt(values.square().sum(dim=1) + _TINY**2)).sum()
            for values in (answer["shear"], wanted["shear"])
        )
        # The floor keeps the first steps bounded: without a coarse flow they start from a sac at rest.
        shear = shear + torch.log((given + _FLOOR * true) / ((1.0 + _FLOOR) * true + _TINY)).abs()
    else:
        artery = 2.0 * artery
    inside = wanted["lumen_region"] == 1
    velocity = _relative(answer["velocity"], wanted["velocity"], 1.0 * ~inside)
    if bool(inside.any()):
        velocity = velocity + _relative(answer["velocity"], wanted["velocity"], 1.0 * inside)
    pressure = _relative(answer["pressure"][:, None], wanted["pressure"][:, None], area)
    known = torch.isfinite(wanted["numbers"])
    true = torch.where(known, wanted["numbers"], answer["numbers"].detach()).clamp(min=_TINY)
    numbers = torch.log(answer["numbers"].clamp(min=_TINY) / true).abs().mean()
    return shear + 0.5 * artery + 0.25 * velocity + 0.5 * pressure + 0.25 * numbers, shear.detach()


def _relative(given: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """Weighted L2 of the difference over that of what is wanted; values (n, c), weight (n,)."""
    missed = (weight * (given - wanted).square().sum(dim=1)).sum()
    return torch.sqrt((missed + _TINY) / ((weight * wanted.square().sum(dim=1)).sum() + _TINY))
