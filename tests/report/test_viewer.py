"""What the interactive view is fed with is the solution itself, and a browser draws it."""

from __future__ import annotations

import base64
import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aneuflow.report import Report, ReportContent, viewer
from aneuflow.report.meshes import poly_data
from aneuflow.report.viewer import viewer_payload
from aneuflow.report.views import close_views
from aneuflow.types import Prediction

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NUMPY_TYPES = {"f4": "<f4", "u4": "<u4", "u1": "<u1"}


def _decode(array: dict[str, str]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(array["data"]), NUMPY_TYPES[array["type"]])


def _payload_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="viewer-data">(.*?)</script>', page, re.S)
    assert found is not None
    payload: dict[str, Any] = json.loads(found.group(1))
    return payload


def test_the_data_in_the_page_are_the_solution(content: ReportContent, report: Report) -> None:
    payload = _payload_of(report.html)
    flow = content.flow
    points = _decode(payload["points"]).reshape(-1, 3) + payload["center"]
    np.testing.assert_allclose(points, flow.wall.points, atol=1e-5)
    np.testing.assert_array_equal(_decode(payload["triangles"]).reshape(-1, 3), flow.wall.triangles)
    fields = {field["name"]: _decode(field["values"]) for field in payload["fields"]}
    for name in ("TAWSS", "OSI", "RRT", "pressure"):
        np.testing.assert_array_equal(fields[name], flow.wall_fields[name])
    np.testing.assert_allclose(fields["WSS_peak"], np.linalg.norm(flow.wall_fields["WSS_peak"], axis=1), rtol=1e-6)
    np.testing.assert_array_equal(fields["region"], flow.region)


def test_the_predicted_wall_shear_and_its_difference_are_fields_on_the_same_scale(content: ReportContent) -> None:
    simulated = content.flow.wall_fields["TAWSS"]
    shear = (1.5 * simulated).astype(np.float32)
    method = {"networks": "ab", "members": 3, "coarse_flow": False}
    prediction = Prediction(content.flow.wall, content.flow.region, {"TAWSS": shear}, (), method, ())
    fields = {field["name"]: field for field in viewer_payload(replace(content, prediction=prediction), "en")["fields"]}
    assert fields["TAWSS_predicted"]["range"] == fields["TAWSS"]["range"]
    np.testing.assert_array_equal(_decode(fields["TAWSS_predicted"]["values"]), shear)
    low, high = fields["TAWSS_difference"]["range"]
    assert low == -high and high == pytest.approx(0.5 * fields["TAWSS"]["range"][1], rel=1e-5)
    np.testing.assert_allclose(_decode(fields["TAWSS_difference"]["values"]), 0.5 * simulated, rtol=1e-5)


def test_neck_line_is_closed_and_views_are_directions(content: ReportContent) -> None:
    payload = viewer_payload(content, "en")
    rim = next(_decode(line["points"]).reshape(-1, 3) for line in payload["lines"] if line["kind"] == "ostium")
    np.testing.assert_array_equal(rim[0], rim[-1])
    for view in payload["views"]:
        assert np.linalg.norm(view["eye"]) == pytest.approx(1)
        assert np.dot(view["eye"], view["up"]) == pytest.approx(0, abs=1e-9)


def test_a_large_wall_is_thinned_with_its_values_kept(content: ReportContent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer, "MAXIMUM_POINTS", 2000)
    payload = viewer_payload(content, "en")
    values = _decode(payload["fields"][0]["values"])
    assert payload["thinned"] and len(values) < 0.5 * len(content.flow.wall.points)
    assert np.isin(values, content.flow.wall_fields["TAWSS"]).all()
    assert _decode(payload["triangles"]).max() == len(values) - 1


def _browse(page: str, folder: Path, *options: str) -> tuple[str, str]:
    """What the browser writes out for the page, and what the page wrote to the console."""
    assert BROWSER is not None
    (folder / "report.html").write_text(page, "utf-8")
    command = [BROWSER, "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars", "--timeout=8000"]
    command += ["--window-size=900,700", "--enable-logging=stderr", f"--user-data-dir={folder}", *options]
    address = (folder / "report.html").as_uri()
    done = subprocess.run([*command, address], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


def _screenshot(page: str, folder: Path, *options: str) -> tuple[np.ndarray, str]:
    """The page as a browser shows it, (height, width, 3), and its console."""
    _, console = _browse(page, folder, f"--screenshot={folder / 'shot.png'}", *options)
    return np.asarray(Image.open(folder / "shot.png").convert("RGB"), dtype=int), console


WITH_WEBGL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
ONLY_VIEWER = "</head><style>#viewer { position: fixed; inset: 0; z-index: 9; background: white; }</style>"


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed (Debian package chromium)")
def test_a_browser_draws_the_wall(report: Report, tmp_path: Path) -> None:
    picture, console = _screenshot(report.html.replace("</head>", ONLY_VIEWER), tmp_path, *WITH_WEBGL)
    canvas = picture[110:480]
    colored = np.ptp(canvas, axis=2) > 40
    assert colored.mean() > 0.1
    assert console == ""


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed (Debian package chromium)")
def test_without_webgl_a_still_picture_stands_in(report: Report, tmp_path: Path) -> None:
    picture, console = _screenshot(report.html.replace("</head>", ONLY_VIEWER), tmp_path, "--disable-3d-apis")
    assert (np.ptp(picture, axis=2) > 40).mean() > 0.05
    assert console == ""


PROBE = """<script>
const canvas = document.querySelector("#viewer canvas"), box = canvas.getBoundingClientRect(), found = [];
const point = () => {
  const middle = { clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 };
  canvas.dispatchEvent(new PointerEvent("pointermove", middle));
  found.push(document.querySelector("#viewer .tip").textContent);
};
point();
const fields = document.querySelector("#viewer .controls select");
fields.value = 1;
fields.dispatchEvent(new Event("change"));
point();
fields.value = 5;
fields.dispatchEvent(new Event("change"));
point();
for (const key of ["ArrowLeft", "+", "-", "2", "9", "r"]) canvas.dispatchEvent(new KeyboardEvent("keydown", { key }));
point();
document.body.dataset.found = JSON.stringify(found);
</script></body>"""


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed (Debian package chromium)")
def test_pointing_at_the_wall_reads_its_value(content: ReportContent, report: Report, tmp_path: Path) -> None:
    page = report.html.replace("</head>", ONLY_VIEWER).replace("</body>", PROBE)
    document, console = _browse(page, tmp_path, "--dump-dom", *WITH_WEBGL)
    assert console == ""
    found = re.search('data-found="([^"]*)"', document)
    assert found is not None
    shear, oscillation, region, after_keys = json.loads(html.unescape(found.group(1)))
    view = close_views(content.model)[0]
    away = 100 * view.toward_eye
    hit = poly_data(content.flow.wall).ray_trace(view.focus_mm + away, view.focus_mm - away, first_point=True)[0]
    nearest = np.linalg.norm(content.flow.wall.points - hit, axis=1).argmin()
    assert float(shear.removesuffix(" Pa")) == pytest.approx(content.flow.wall_fields["TAWSS"][nearest], rel=0.1)
    assert float(oscillation) == pytest.approx(content.flow.wall_fields["OSI"][nearest], rel=0.1)
    assert region == after_keys == "Sac"
