"""NVIDIA's GPUs as a device for the lattice; needs the extra `gpu` and a driver."""

from __future__ import annotations

import ctypes
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from aneuflow.errors import ResourceError
from aneuflow.numerics.lattice import core
from aneuflow.types import FloatArray

_THREADS = 128
# Products and sums stay apart, as they are on the CPU, so that both give the same fields.
_OPTIONS = ("--std=c++17", "--device-as-default-execution-space", "--fmad=false")


def compiled(architecture: str) -> bytes:
    """The core's kernels for GPUs of an architecture such as "sm_90", as a cubin. Needs no GPU.

    Raises ResourceError where the compiler is missing or refuses.
    """
    nvrtc = _library("nvrtc")
    program = _checked(nvrtc, nvrtc.nvrtcCreateProgram(core.device_source.encode(), b"device.cu", 0, [], []))
    options = [option.encode() for option in (*_OPTIONS, f"--gpu-architecture={architecture}")]
    if int(nvrtc.nvrtcCompileProgram(program, len(options), options)[0]) != 0:
        log = b" " * _checked(nvrtc, nvrtc.nvrtcGetProgramLogSize(program))
        nvrtc.nvrtcGetProgramLog(program, log)
        said = " ".join(log.decode(errors="replace").split())[:300]
        raise ResourceError(f"The GPU's kernels do not compile for {architecture} ({said}); run on the CPU (--device cpu).")
    cubin: bytes = b" " * _checked(nvrtc, nvrtc.nvrtcGetCUBINSize(program))
    _checked(nvrtc, nvrtc.nvrtcGetCUBIN(program, cubin))
    return cubin


class CudaDevice:
    """The first NVIDIA GPU, with the kernels loaded. Raises ResourceError where there is none."""

    def __init__(self) -> None:
        self._driver = driver = _library("driver")
        try:
            found = int(driver.cuInit(0)[0]) == 0 and _checked(driver, driver.cuDeviceGetCount()) > 0
        except RuntimeError:  # without a driver there is no library to load
            found = False
        if not found:
            raise ResourceError("No NVIDIA GPU with a driver was found; run on the CPU (--device cpu).")
        gpu = _checked(driver, driver.cuDeviceGet(0))
        _checked(driver, driver.cuCtxSetCurrent(_checked(driver, driver.cuDevicePrimaryCtxRetain(gpu))))
        capability = driver.CUdevice_attribute
        major, minor = (
            _checked(driver, driver.cuDeviceGetAttribute(attribute, gpu))
            for attribute in (
                capability.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
                capability.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
            )
        )
        self._module = _checked(driver, driver.cuModuleLoadData(compiled(f"sm_{major}{minor}")))
        self._stream = _checked(driver, driver.cuStreamCreate(0))
        self._copied = _checked(driver, driver.cuEventCreate(0))
        self._kernels: dict[str, Any] = {}
        self._buffers: list[Any] = []
        self._landings: list[Any] = []

    def keep(self, values: npt.NDArray[Any]) -> Any:
        buffer = self._driver.cuMemAlloc(max(values.nbytes, 1))
        if int(buffer[0]) != 0:
            raise ResourceError(
                f"The GPU has no room for another {values.nbytes / 1e6:.0f} MB of this lattice; set a coarser --resolution."
            )
        self._buffers.append(buffer[1])
        self.fill(buffer[1], values)
        return buffer[1]

    def fill(self, buffer: Any, values: npt.NDArray[Any]) -> None:
        values = np.ascontiguousarray(values)
        _checked(self._driver, self._driver.cuStreamSynchronize(self._stream))
        _checked(self._driver, self._driver.cuMemcpyHtoD(buffer, values.ctypes.data, values.nbytes))

    def fetch(self, buffer: Any, into: npt.NDArray[Any]) -> None:
        self.fetch_soon(buffer, into)
        _checked(self._driver, self._driver.cuStreamSynchronize(self._stream))

    def landing(self, shape: tuple[int, int]) -> FloatArray:
        size = shape[0] * shape[1]
        self._landings.append(_checked(self._driver, self._driver.cuMemAllocHost(8 * size)))
        array = np.ctypeslib.as_array((ctypes.c_double * size).from_address(int(self._landings[-1]))).reshape(shape)
        array[...] = 0.0
        return array

    def fetch_soon(self, buffer: Any, landing: npt.NDArray[Any]) -> None:
        _checked(self._driver, self._driver.cuMemcpyDtoHAsync(landing.ctypes.data, buffer, landing.nbytes, self._stream))
        _checked(self._driver, self._driver.cuEventRecord(self._copied, self._stream))

    def wait(self) -> None:
        _checked(self._driver, self._driver.cuEventSynchronize(self._copied))

    def call(self, kernel: str, threads: int, *arguments: Any) -> None:
        if kernel not in self._kernels:
            self._kernels[kernel] = _checked(self._driver, self._driver.cuModuleGetFunction(self._module, kernel.encode()))
        values = tuple(0 if a is None else a if isinstance(a, int | float) else int(a) for a in arguments)
        types = tuple(_type(argument) for argument in arguments)
        blocks = (threads + _THREADS - 1) // _THREADS
        launched = self._driver.cuLaunchKernel(
            self._kernels[kernel], blocks, 1, 1, _THREADS, 1, 1, 0, self._stream, (values, types), 0
        )
        _checked(self._driver, launched)

    def __del__(self) -> None:
        for buffer in getattr(self, "_buffers", ()):
            self._driver.cuMemFree(buffer)
        for landing in getattr(self, "_landings", ()):
            self._driver.cuMemFreeHost(landing)
        if hasattr(self, "_copied"):
            self._driver.cuEventDestroy(self._copied)
            self._driver.cuStreamDestroy(self._stream)
            self._driver.cuModuleUnload(self._module)


def _type(argument: Any) -> Any:
    if isinstance(argument, int):
        return ctypes.c_int
    return ctypes.c_float if isinstance(argument, float) else ctypes.c_void_p


def _library(name: str) -> Any:
    try:
        return import_module(f"cuda.bindings.{name}")
    except ImportError:
        raise ResourceError("Running on a GPU needs more libraries: install them with pip install 'aneuflow[gpu]'.") from None


def _checked(library: Any, answer: tuple[Any, ...]) -> Any:
    """What a call of CUDA gives. Raises ResourceError where it failed."""
    if int(answer[0]) != 0:
        raise ResourceError(f"The GPU answered {answer[0].name}; run on the CPU (--device cpu).")
    return answer[1] if len(answer) > 1 else None
