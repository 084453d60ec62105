"""The GPU's kernels: compiled for real GPUs, and run as plain loops on the CPU against the core."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aneuflow.errors import ResourceError
from aneuflow.flow.settings import FlowSettings
from aneuflow.flow.setup import Units, build_domain, build_lattice
from aneuflow.numerics.lattice import core, cuda
from aneuflow.numerics.lattice.gpu import GpuLattice
from aneuflow.types import Blood, BoundaryConditions, InletCondition, OutletCondition, Waveform
from tests.bloods import CARREAU_YASUDA
from tests.flow.tubes import INLET, OUTLET, tube_model

NEWTONIAN = Blood(1060.0, "newtonian", {"viscosity": 0.0035})
THINNING = Blood(1060.0, "carreau-yasuda", CARREAU_YASUDA)
REVERSING = Waveform("reversing", 0.01, np.arange(8) / 8, 1.0 + 1.6 * np.sin(2 * np.pi * np.arange(8) / 8))


class Loops:
    """The kernels' source compiled for the CPU, where a kernel is a loop over all its threads."""

    def __init__(self, folder: Path) -> None:
        (folder / "kernels.cpp").write_text(core.device_source)
        command = ["c++", "-std=c++17", "-O2", "-ffp-contract=off", "-shared", "-fPIC", "kernels.cpp", "-o", "kernels.so"]
        subprocess.run(command, cwd=folder, check=True)
        self._library = ctypes.CDLL(str(folder / "kernels.so"))

    def keep(self, values: np.ndarray) -> np.ndarray:
        return np.array(values)

    def fill(self, buffer: np.ndarray, values: np.ndarray) -> None:
        buffer[...] = values

    def fetch(self, buffer: np.ndarray, into: np.ndarray) -> None:
        into[...] = buffer

    def landing(self, shape: tuple[int, int]) -> np.ndarray:
        return np.zeros(shape)

    fetch_soon = fetch

    def wait(self) -> None: ...

    def call(self, kernel: str, threads: int, *arguments: Any) -> None:
        getattr(self._library, kernel)(*(self._passed(argument) for argument in arguments))

    def _passed(self, argument: Any) -> Any:
        if argument is None:
            return None
        if isinstance(argument, np.ndarray):
            return ctypes.c_void_p(argument.ctypes.data)
        return ctypes.c_int(argument) if isinstance(argument, int) else ctypes.c_float(argument)


@pytest.fixture(scope="module")
def loops(tmp_path_factory: pytest.TempPathFactory) -> Loops:
    return Loops(tmp_path_factory.mktemp("kernels"))


def lattice_of(blood: Blood, waveform: Waveform | None, outlet: OutletCondition) -> core.Lattice:
    model = tube_model(1.0, 4.0, np.array([1.0, 2.0, 3.0]))
    boundary = BoundaryConditions((InletCondition(INLET, 0.5, "parabolic"),), (outlet,), blood, waveform)
    settings = FlowSettings(resolution_mm=0.2)
    domain = build_domain(model, boundary, settings.resolution_mm, 1)
    return build_lattice(domain, model, boundary, Units(2e-4, 2e-5, blood.density))


HELD = OutletCondition(OUTLET, "pressure", pressure=0.0)
SPLIT = OutletCondition(OUTLET, "flow-split", flow_share=1.0)
WINDKESSEL = OutletCondition(OUTLET, "windkessel", resistance=1e8, distal_resistance=1e9, compliance=1e-10)


@pytest.mark.parametrize(
    ("blood", "waveform", "outlet"),
    [(NEWTONIAN, None, HELD), (THINNING, None, SPLIT), (NEWTONIAN, REVERSING, WINDKESSEL)],
    ids=["newtonian", "thinning", "reversing-windkessel"],
)
def test_the_kernels_give_the_cores_fields(
    loops: Loops, blood: Blood, waveform: Waveform | None, outlet: OutletCondition
) -> None:
    here, there = lattice_of(blood, waveform, outlet), GpuLattice(lattice_of(blood, waveform, outlet), loops)
    for lattice in (here, there):
        lattice.run(100, 0.0, 1.0, 0.0, 0.0, 1)
        lattice.run(250, 1.0, 1.0, 0.0, 0.002, 1)
    ours, theirs = there.fields(1), here.fields(1)
    scale = np.abs(theirs).max(axis=1, keepdims=True)
    assert (scale[1:4] > 1e-3).any()
    np.testing.assert_allclose(ours / scale, theirs / scale, atol=1e-4)
    assert there.inlet_flow() == pytest.approx(here.inlet_flow(), rel=1e-5)
    assert there.outlet_flow() == pytest.approx(here.outlet_flow(), rel=1e-3)
    assert there.peak_speed(1) == pytest.approx(here.peak_speed(1), rel=1e-4)
    assert there.controls[1:] == pytest.approx(here.controls[1:], rel=1e-3, abs=1e-6)


def test_a_state_taken_over_goes_on_the_same(loops: Loops) -> None:
    first, second = (GpuLattice(lattice_of(NEWTONIAN, None, HELD), loops) for _ in range(2))
    first.run(50, 0.0, 1.0, 0.0, 0.0, 1)
    second.populations, second.controls = first.populations, first.controls
    for lattice in (first, second):
        lattice.run(20, 1.0, 1.0, 0.0, 0.0, 1)
    np.testing.assert_array_equal(first.fields(1), second.fields(1))


@pytest.mark.parametrize("architecture", ["sm_75", "sm_90"])
def test_the_kernels_compile_for_a_gpu(architecture: str) -> None:
    pytest.importorskip("cuda.bindings.nvrtc", reason="the extra gpu is not installed")
    cubin = cuda.compiled(architecture)
    assert cubin.startswith(b"\x7fELF")
    kernels = ("even", "odd", "fit", "offsets", "walls", "inlet", "let_out", "outlet", "sum", "fields")
    assert all(kernel.encode() in cubin for kernel in kernels)


def test_a_machine_without_a_gpu_is_told_so() -> None:
    pytest.importorskip("cuda.bindings.driver", reason="the extra gpu is not installed")
    try:
        cuda.CudaDevice()
    except ResourceError as error:
        assert "--device cpu" in str(error)
