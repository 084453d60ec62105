from pathlib import Path

import pytest

from aneuflow.errors import InputError
from aneuflow.pipeline.settings import read_settings, settings_from


def test_later_layers_lie_on_top_setting_by_setting() -> None:
    settings = settings_from({"simulate": {"cycles": 5, "resolution_mm": 0.3}}, {"simulate": {"cycles": 2}})
    assert (settings.simulate.cycles, settings.simulate.resolution_mm) == (2, 0.3)


@pytest.mark.parametrize(
    ("tables", "named"),
    [
        ({"simulate": {"resolution_mm": -1.0}}, "simulate.resolution_mm is -1.0"),
        ({"simulate": {"resolution_mm": float("nan")}}, "simulate.resolution_mm"),
        ({"simulate": {"resolutionmm": 0.2}}, "simulate.resolutionmm"),
        ({"solver": {}}, "solver"),
        ({"report": {"language": "fr"}}, "report.language is 'fr'"),
        ({"boundary": {"viscosity": "honey"}}, "Viscosity 'honey' is not known"),
        ({"boundary": {"viscosity": "newtonian:-1"}}, "Viscosity -1 Pa s"),
        ({"cycles": 3}, "cycles = 3 stands outside a table"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(tables: dict, named: str) -> None:
    with pytest.raises(InputError) as caught:
        settings_from(tables)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_files(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('[boundary]\nflow_ml_s = 2.1\n[report]\nlanguage = "zh"\n')
    assert settings_from(read_settings(file)).boundary.flow_ml_s == 2.1
    for content in (b"[boundary\n", b"\xff\xfe\x00"):
        file.write_bytes(content)
        with pytest.raises(InputError, match=r"no TOML"):
            read_settings(file)
    with pytest.raises(InputError, match="No such file"):
        read_settings(tmp_path / "missing.toml")
