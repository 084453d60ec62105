"""A lattice on a GPU: the core's kernels on its cells and links, its controls left to the core on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from aneuflow.numerics.lattice import core
from aneuflow.numerics.lattice.velocity_set import WEIGHTS
from aneuflow.types import Float32Array, FloatArray

_PARTS = 256  # of each sum, added up on the CPU


class Device(Protocol):
    """What carries a lattice: memory, and kernels called in order by name with buffers (None: null), ints and floats."""

    def keep(self, values: npt.NDArray[Any]) -> Any:
        """A buffer that holds these values."""

    def fill(self, buffer: Any, values: npt.NDArray[Any]) -> None:
        """Puts other values into a buffer."""

    def fetch(self, buffer: Any, into: npt.NDArray[Any]) -> None:
        """Copies a buffer back, behind all kernels called so far."""

    def landing(self, shape: tuple[int, int]) -> FloatArray:
        """An array on the CPU that `fetch_soon` can fill."""

    def fetch_soon(self, buffer: Any, landing: FloatArray) -> None:
        """`fetch` without waiting; `wait` ends when it is there, whatever was called since."""

    def wait(self) -> None: ...

    def call(self, kernel: str, threads: int, *arguments: Any) -> None: ...


class GpuLattice:
    """A lattice that runs on a device, made from one that is set up; its calls are those of `core.Lattice`."""

    def __init__(self, host: core.Lattice, device: Device) -> None:
        self._host, self._device = host, device
        setup, keep = host.setup(), device.keep
        self.cells, self._stride = host.cells, host.stride
        self._momentum = keep(np.zeros((3, self._stride), dtype=np.float32))
        self._populations = keep(self._padded(host.populations))
        self._fields = keep(np.zeros((10, self.cells), dtype=np.float32))
        self._slots = keep(setup["slots"])
        stay, stay_third, table, first_bits, shift = setup["relaxation"]
        self._relaxation = (stay, stay_third, keep(table) if len(table) else None, len(table), first_bits, shift)
        self._wall = [keep(values) for values in (*setup["wall_blocks"], *setup["wall_cells"], setup["wall_shares"])]
        self._offset = keep(np.zeros(max(setup["wall_shares"].shape[1], 1), dtype=np.float32))
        fits, near, cell, weight = setup["fits"]
        self._fits = (fits, near, keep(cell), keep(weight))
        self._found = keep(np.zeros(max(3 * len(weight) // max(near, 1), 1), dtype=np.float32))
        self._fit_of_link, self._refit = keep(setup["wall_fit"]), setup["refit"]
        self._wall_links, self._wall_weight, self._block = setup["wall_shares"].shape[1], setup["wall_weight"], setup["block"]
        self._inlets = [_Inlet(device, self._stride, *inlet) for inlet in setup["inlets"]]
        self._outlets = [(len(cell), keep(cell), keep(direction), normal) for cell, direction, normal in setup["outlets"]]
        sizes = [inlet.links for inlet in self._inlets] + [links for links, *_ in self._outlets] + [self._wall_links]
        self._changes = [keep(np.zeros(max(size, 1), dtype=np.float32)) for size in sizes]
        self._sums_there, self._sums = keep(np.zeros((len(sizes), _PARTS))), device.landing((len(sizes), _PARTS))
        self._mean_inflow, self._mean_outflow = np.zeros(len(self._inlets)), np.zeros(len(self._outlets))
        self._leak = host.controls[0]

    def run(self, pairs: int, amplitude: float, amplitude_end: float, phase: float, phase_step: float, threads: int) -> None:
        """As `core.Lattice.run`, without threads; cells collide while the CPU sets the outlets by the step before."""
        steps = 2 * pairs
        into, out, inflow = np.zeros(len(self._inlets)), np.zeros(len(self._outlets)), np.zeros(len(self._inlets))
        for step in range(steps + 1):
            if step < steps:
                self._collide(swapped=step % 2 == 0)
            if step > 0:
                self._device.wait()
                sums = self._sums.sum(axis=1)
                outflow, self._leak = sums[len(self._inlets) : -1], float(sums[-1])
                self._host.control(float(inflow.sum()), outflow.tolist())
                into, out = into + inflow, out + outflow
            if step < steps:
                scale = amplitude + (amplitude_end - amplitude) * (step + 1) / steps
                inflow = np.array([self._pass_inlet(k, scale, phase + phase_step * (step + 1)) for k in range(len(into))])
                self._pass_outlets()
                if step % self._refit == 0:
                    self._fit_walls()
                self._pass_walls(swapped=step % 2 == 0)
                self._device.fetch_soon(self._sums_there, self._sums)
        self._mean_inflow, self._mean_outflow = into / max(steps, 1), out / max(steps, 1)

    def _collide(self, swapped: bool) -> None:
        cells = (self._populations, self._momentum, self._stride, self.cells)
        if swapped:
            self._device.call("even", self.cells, *cells, *self._relaxation)
        else:
            self._device.call("odd", self.cells, *cells, *self._relaxation, self._slots)

    def _pass_inlet(self, k: int, scale: float, phase: float) -> float:
        """Adds what the inlet brings to what comes back from it; gives its flow."""
        inlet, call = self._inlets[k], self._device.call
        first, second, part, flow = inlet.at(phase)
        flow *= scale
        if flow >= 0.0:
            call("inlet", inlet.links, self._populations, inlet.links, inlet.back, first, second, part, scale)
            return flow
        cells = (self._populations, self._momentum, self._stride, inlet.links, inlet.back)
        call("let_out", inlet.links, *cells, *inlet.normal, self._changes[k])
        self._sum(k, inlet.links)
        self._device.fetch(self._sums_there, self._sums)
        lacking = (flow - float(self._sums[k].sum())) / inlet.weight
        call("spread", inlet.links, self._populations, self._stride, inlet.links, inlet.back, lacking)
        return flow

    def _pass_outlets(self) -> None:
        pressures = np.asarray(self._host.controls[1:]).reshape(-1, 2).sum(axis=1)
        for k, (links, cell, direction, normal) in enumerate(self._outlets):
            row = len(self._inlets) + k
            cells = (self._populations, self._momentum, self._stride, links, cell, direction)
            self._device.call("outlet", links, *cells, *normal, float(pressures[k]), self._changes[row])
            self._sum(row, links)

    def _fit_walls(self) -> None:
        if self._wall_links == 0:
            return
        count, (direction, _, *rest) = self._fits[0], self._wall
        if count:
            self._device.call("fit", count, self._momentum, self._stride, *self._fits, self._found)
        links = (self._momentum, self._stride, self._wall_links, self._block, direction, *rest)
        self._device.call("offsets", self._wall_links, *links, count, self._fit_of_link, self._found, self._offset)

    def _pass_walls(self, swapped: bool) -> None:
        if self._wall_links == 0:
            return
        cells = (self._populations, self._stride, self._wall_links, self._block)
        give_back = self._leak / self._wall_weight
        self._device.call(
            "walls", self._wall_links, *cells, *self._wall, self._offset, int(swapped), give_back, self._changes[-1]
        )
        self._sum(len(self._changes) - 1, self._wall_links)

    def _sum(self, row: int, count: int) -> None:
        self._device.call("sum", _PARTS, self._changes[row], count, self._sums_there, row, _PARTS)

    def fields(self, threads: int) -> Float32Array:
        """As `core.Lattice.fields`."""
        self._device.call("fields", self.cells, self._populations, self._stride, self.cells, self._fields)
        out = np.empty((10, self.cells), dtype=np.float32)
        self._device.fetch(self._fields, out)
        return out

    def peak_speed(self, threads: int) -> float:
        """As `core.Lattice.peak_speed`."""
        momentum = self.fields(threads)[1:4]
        square = np.einsum("dn,dn->n", momentum, momentum)
        return float(np.sqrt(square.max())) if np.isfinite(square).all() else float("nan")

    def inlet_flow(self) -> list[float]:
        return [float(flow) for flow in self._mean_inflow]

    def outlet_flow(self) -> list[float]:
        return [float(flow) for flow in self._mean_outflow]

    @property
    def reference(self) -> float:
        return self._host.reference

    @property
    def controls(self) -> Sequence[float]:
        return [self._leak, *self._host.controls[1:]]

    @controls.setter
    def controls(self, values: Sequence[float]) -> None:
        self._host.controls = values
        self._leak = values[0]

    @property
    def stored(self) -> Sequence[float]:
        return self._host.stored

    @stored.setter
    def stored(self, values: Sequence[float]) -> None:
        self._host.stored = values

    @property
    def populations(self) -> Float32Array:
        padded = np.empty((len(WEIGHTS), self._stride), dtype=np.float32)
        self._device.fetch(self._populations, padded)
        return np.ascontiguousarray(padded[:, : self.cells])

    @populations.setter
    def populations(self, values: Float32Array) -> None:
        self._device.fill(self._populations, self._padded(values))

    def _padded(self, populations: Float32Array) -> Float32Array:
        padded = np.zeros((len(WEIGHTS), self._stride), dtype=np.float32)
        padded[:, : self.cells] = populations
        return padded


class _Inlet:
    """The links of an inlet on a device; `weight` is the sum of their lattice weights."""

    def __init__(
        self, device: Device, stride: int, back: npt.NDArray[np.int32], normal: tuple[float, ...], gain: Float32Array
    ) -> None:
        self.links, self.back, self.normal = len(back), device.keep(back), normal
        self.weight = float(WEIGHTS[back // stride].sum())
        self._rows = [device.keep(np.ascontiguousarray(row)) for row in gain]
        self._flows: FloatArray = gain.sum(axis=1, dtype=np.float64)

    def at(self, phase: float) -> tuple[Any, Any, float, float]:
        """The rows before and behind the phase, how far it is between them, and the flow."""
        place = (phase - np.floor(phase)) * len(self._rows)
        row = min(int(place), len(self._rows) - 1)
        after, part = (row + 1) % len(self._rows), float(place - row)
        return (
            self._rows[row],
            self._rows[after],
            part,
            float(self._flows[row] + part * (self._flows[after] - self._flows[row])),
        )
