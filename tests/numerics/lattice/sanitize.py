"""Drives every path of the compiled kernel once, for a build with sanitizers (`make sanitize`)."""

import importlib.util
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[3]


def load_kernel(folder: Path) -> object:
    """The sanitized extension from `folder`, under the name the package imports it by."""
    file = next(folder.glob("aneuflow/_core*.so"))
    spec = importlib.util.spec_from_file_location("aneuflow._core", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    import aneuflow

    aneuflow._core = sys.modules["aneuflow._core"] = load_kernel(ROOT / "build/sanitized")
    sys.path.insert(0, str(ROOT))
    from aneuflow.flow.settings import FlowSettings
    from aneuflow.flow.solve import simulate
    from aneuflow.types import Blood, BoundaryConditions, InletCondition, OutletCondition, Waveform
    from tests.flow.tubes import INLET, OUTLET, tube_model

    thick = {"viscosity": 0.0035, "yield_stress_pa": 0.005}
    wave = Waveform("test", 0.05, np.arange(8) / 8, 1.0 + 0.4 * np.sin(2 * np.pi * np.arange(8) / 8))
    for blood, waveform in ((Blood(1060.0, "newtonian", thick), None), (Blood(1060.0, "casson", thick), wave)):
        boundary = BoundaryConditions(
            (InletCondition(INLET, 0.8, "parabolic"),),
            (OutletCondition(OUTLET, "flow-split", flow_share=1.0),),
            blood,
            waveform,
        )
        settings = FlowSettings(resolution_mm=0.4, steady=waveform is None, cycles=1, threads=2)
        flow = simulate(tube_model(1.5, 4.0, np.array([1.0, 2.0, 3.0])), boundary, settings)
        assert np.isfinite(flow.wall_fields["TAWSS"]).all()
    print("sanitizers: nothing found")


if __name__ == "__main__":
    main()
