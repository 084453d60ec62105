"""The D3Q19 velocity set in the kernel's order: rest, then pairs of opposite directions."""

from __future__ import annotations

import numpy as np

_HALF = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, -1, 0), (1, 0, 1), (1, 0, -1), (0, 1, 1), (0, 1, -1)]

VELOCITIES = np.array([(0, 0, 0)] + [tuple(sign * c for c in v) for v in _HALF for sign in (1, -1)], dtype=np.int32)
WEIGHTS = np.array([1 / 3] + [1 / 18] * 6 + [1 / 36] * 12)
OPPOSITE = np.array([0] + [i + 1 if i % 2 else i - 1 for i in range(1, 19)], dtype=np.int32)
SOUND_SPEED = 1 / np.sqrt(3.0)
