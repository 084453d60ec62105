"""What is painted on is the model's own wall: its points, and what the flow does nearest to each."""

from __future__ import annotations

import base64
from dataclasses import replace

import numpy as np
import pytest

from aneuflow.report import ReportContent, viewer
from aneuflow.report.correction_scene import correction_payload, painting_payload
from aneuflow.types import REGION_SAC, WALL_PATCH, Candidate


def _decode(array: dict[str, str]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(array["data"]), {"f4": "<f4", "u4": "<u4"}[array["type"]])


@pytest.mark.parametrize("most", [viewer.MAXIMUM_POINTS, 2000])
def test_each_point_of_the_wall_is_shown_by_the_nearest_of_the_scene(
    content: ReportContent, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(viewer, "MAXIMUM_POINTS", most)
    lumen = content.model.lumen
    scene, painting = correction_payload(content.model, "en"), painting_payload(content.model, None, "en")
    drawn = _decode(scene["points"]).reshape(-1, 3) + scene["center"]
    origin, shown_by = _decode(painting["origin"]), _decode(painting["shown_by"])
    assert (len(origin), len(shown_by)) == (len(drawn), len(lumen.surface.points))
    (region,) = painting["fields"]
    np.testing.assert_array_equal(_decode(region["values"]), lumen.region[origin] == REGION_SAC)
    wall = np.unique(lumen.surface.triangles[lumen.patch == WALL_PATCH])
    assert set(np.flatnonzero(shown_by == len(drawn))) == set(range(len(shown_by))) - set(wall)
    away = np.linalg.norm(lumen.surface.points[wall][:, None] - drawn[None], axis=2)
    np.testing.assert_allclose(away[np.arange(len(wall)), shown_by[wall]], away.min(axis=1), atol=1e-5)
    if scene["thinned"]:
        assert len(drawn) < 0.8 * len(wall)
    else:
        np.testing.assert_array_equal(origin[shown_by[wall]], wall)


def test_the_flow_under_the_paint_is_that_of_the_nearest_point_and_no_region_is_told(content: ReportContent) -> None:
    scene, painting = correction_payload(content.model, "en"), painting_payload(content.model, content, "en")
    drawn = _decode(scene["points"]).reshape(-1, 3) + scene["center"]
    fields = {field["name"]: field for field in painting["fields"]}
    assert set(fields) == {"TAWSS", "OSI", "RRT", "pressure", "WSS_peak", "region"}
    nearest = np.linalg.norm(content.flow.wall.points[None] - drawn[:, None], axis=2).argmin(axis=1)
    np.testing.assert_array_equal(_decode(fields["TAWSS"]["values"]), content.flow.wall_fields["TAWSS"][nearest])


def test_the_candidates_of_a_tree_can_be_chosen_from(content: ReportContent) -> None:
    found = (Candidate(1, (0.0, 1.0, 2.0), 6.25, 0.7, True), Candidate(2, (9.0, 1.0, 2.0), 4.0, 0.6, False))
    assert correction_payload(content.model, "en")["candidates"] == []
    scene = correction_payload(replace(content.model, candidates=found), "en")
    assert scene["candidates"] == [{"number": 1, "diameter": 6.25}, {"number": 2, "diameter": 4.0}]
