"""What other processes of the same user, such as those that read uploads, cannot look into."""

from __future__ import annotations

import ctypes
import sys

_PR_SET_DUMPABLE = 4


def hide_memory() -> None:
    """Close this process's memory and environment, which may hold passwords, to processes that are not the system's own."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
