import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from aneuflow.quantities import registry

ROOT = Path(__file__).parents[1]


@pytest.fixture
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_current(generate: ModuleType) -> None:
    assert (ROOT / "docs/quantities.md").read_text("utf-8") == generate.quantities_page(), "run `make docs`"
    assert (ROOT / "docs/settings.md").read_text("utf-8") == generate.settings_page(), "run `make docs`"
    assert (ROOT / "docs/accuracy.md").read_text("utf-8") == generate.accuracy_page(), "run `make docs`"


def test_every_quantity_is_fully_defined() -> None:
    for entry in registry().values():
        assert entry.name_en and entry.definition_en.endswith(".") and entry.source, entry.id
        assert re.search(r"[\u4e00-\u9fff]", entry.name_zh) and entry.definition_zh.endswith("。"), entry.id


def test_links_of_the_documentation_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)", page.read_text("utf-8")):
            assert "://" in target or (page.parent / target).exists(), f"{page.name}: {target}"
