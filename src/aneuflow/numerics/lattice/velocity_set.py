"""The D3Q27 velocity set in the kernel's order: rest, then pairs of opposite directions."""

from __future__ import annotations

import numpy as np

_HALF = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, -1, 0), (1, 0, 1), (1, 0, -1), (0, 1, 1), (0, 1, -1)]
_HALF += [(1, 1, 1), (1, 1, -1), (1, -1, 1), (1, -1, -1)]

VELOCITIES = np.array([(0, 0, 0)] + [tuple(sign * c for c in v) for v in _HALF for sign in (1, -1)], dtype=np.int32)
WEIGHTS = np.array([8 / 27] + [2 / 27] * 6 + [1 / 54] * 12 + [1 / 216] * 8)
OPPOSITE = np.array([0] + [i + 1 if i % 2 else i - 1 for i in range(1, 27)], dtype=np.int32)
SOUND_SPEED = 1 / np.sqrt(3.0)
