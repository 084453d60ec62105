"""The options that set settings: every one reaches its setting, and what was set can be taken back."""

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from aneuflow.cli.options import OPTIONS, taking
from aneuflow.pipeline.settings import Settings, Tables, settings_from
from tests.cli.run import run

GIVEN: dict[str, tuple[list[str], Any]] = {
    "mask": (["--mask"], "mask"),
    "units": (["--units", "cm"], "cm"),
    "modality": (["--modality", "CTA"], "CTA"),
    "segmenter": (["--segmenter", "threshold"], "threshold"),
    "model": (["--model", "/models/model.onnx"], "/models/model.onnx"),
    "inlet": (["--inlet", "2", "--inlet", "3"], (2, 3)),
    "neck_plane": (["--neck-plane", "1,2,3,0,0,1"], {"point_mm": (1, 2, 3), "normal": (0, 0, 1)}),
    "candidate": (["--candidate", "2"], 2),
    "no_aneurysm": (["--no-aneurysm"], "none"),
    "flow": (["--flow", "126 mL/min"], 2.1),
    "waveform": (["--waveform", "ica-young-adults"], "ica-young-adults"),
    "period": (["--period", "0.8"], 0.8),
    "profile": (["--profile", "plug"], "plug"),
    "outlets": (["--outlets", "zero-pressure"], "zero-pressure"),
    "doppler": (["--doppler", "1=a.csv", "--doppler", "2=b.json"], ("1=a.csv", "2=b.json")),
    "doppler_velocity": (["--doppler-velocity", "mean"], "mean"),
    "pressure": (["--pressure", "wire.csv"], ("wire.csv",)),
    "density": (["--density", "1050"], 1050.0),
    "viscosity": (["--viscosity", "casson"], "casson"),
    "steady": (["--steady"], True),
    "resolution": (["--resolution", "0.3"], 0.3),
    "cycles": (["--cycles", "5"], 5),
    "device": (["--device", "gpu"], "gpu"),
    "threads": (["--threads", "1"], 1),
    "fast": (["--fast"], True),
    "networks": (["--networks", "/models/surrogate"], "/models/surrogate"),
    "coarse": (["--shape-only"], False),
    "language": (["--language", "zh"], "zh"),
}


def tables_of(*arguments: str) -> Tables:
    """What a command that takes every option is handed for these arguments."""
    handed: list[Tables] = []

    @taking(*OPTIONS)
    def command(tables: Tables) -> None:
        handed.append(tables)

    app = typer.Typer()
    app.command()(command)
    ended = CliRunner().invoke(app, list(arguments))
    if ended.exception is not None:
        raise ended.exception
    return handed[0]


def setting(settings: Settings, name: str) -> Any:
    value = getattr(getattr(settings, OPTIONS[name].table), OPTIONS[name].key)
    return value.model_dump() if hasattr(value, "model_dump") else value


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_reaches_its_setting(name: str) -> None:
    arguments, expected = GIVEN[name]
    assert setting(settings_from(tables_of(*arguments)), name) == expected
    assert tables_of() == {}


@pytest.mark.parametrize(
    ("name", "back"),
    [
        ("inlet", "--inlet=auto"),
        ("neck_plane", "--neck-plane=auto"),
        ("no_aneurysm", "--aneurysm"),
        ("flow", "--flow=auto"),
        ("period", "--period=auto"),
        ("steady", "--pulsatile"),
    ],
)
def test_what_was_set_can_be_taken_back(name: str, back: str) -> None:
    stored = settings_from(tables_of(*GIVEN[name][0])).model_dump(exclude_defaults=True)
    assert stored != {}
    assert setting(settings_from(stored, tables_of(back)), name) == setting(Settings(), name)


def test_the_command_line_goes_over_the_settings_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[simulate]\nsteady = true\nresolution_mm = 0.4\n[boundary]\nflow_ml_s = 'auto'\n")
    tables = tables_of("--settings", str(file), "--resolution", "0.3")
    assert tables == {"simulate": {"steady": True, "resolution_mm": 0.3}, "boundary": {"flow_ml_s": "auto"}}
    assert settings_from(tables).boundary.flow_ml_s is None


@pytest.mark.parametrize(
    ("arguments", "sentence"), [(["--inlet", "left"], "is no cap id"), (["--neck-plane", "1,2"], "is not 6 numbers")]
)
def test_what_cannot_be_understood_is_named(capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str) -> None:
    code, _, err = run(capsys, "assess", "input.stl", "-o", "case", *arguments)
    assert code == 2
    assert sentence in err
