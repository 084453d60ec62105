"""The lattice-Boltzmann method on the cells of a lumen; `core` is the compiled kernel."""

import os

# Threads that wait for each other after each step must not spin for long: on a shared machine they would hold the very
# processor the other one needs. The OpenMP run time reads this when the kernel is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

from aneuflow import _core as core

__all__ = ["core"]
