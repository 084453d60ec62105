"""The sealed table and its key."""

from __future__ import annotations

import pytest

from aneuflow.errors import ResourceError
from aneuflow.service.pseudonyms import Pseudonyms
from aneuflow.service.system import System


def test_a_missing_key_is_made_only_where_nothing_needs_it(system: System) -> None:
    system.settings.seal_key.unlink()
    Pseudonyms(system.settings).keep("case", {"PatientName": "Doe^Jane"})
    assert (Pseudonyms(system.settings).open("case") or {})["PatientName"] == "Doe^Jane"
    system.settings.seal_key.unlink()
    with pytest.raises(ResourceError, match="is missing, and 1 identities are sealed with it"):
        Pseudonyms(system.settings)
    assert not system.settings.seal_key.exists()
