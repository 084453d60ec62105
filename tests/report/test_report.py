"""The page a reader opens: complete, in both languages, self-contained, and safe against hostile names."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from aneuflow.case.prediction_store import as_flow
from aneuflow.quantities import quantity
from aneuflow.report import Report, ReportContent, scenes
from aneuflow.report.html import render_page
from aneuflow.report.inflow_sentence import inflow_sentence
from aneuflow.report.numbers import format_unit, format_value
from aneuflow.report.pdf import has_chinese_font, print_pdf
from aneuflow.report.text import Language, note_text, quantity_name, text
from aneuflow.types import Candidate, Measure, Note, Prediction
from tests.report.sample import sample_content

VOID = {"meta", "img", "br", "input", "link", "hr"}
HOSTILE = '<script>alert("x")</script>&\'{{ 7 * 7 }}'


class Page(HTMLParser):
    """Visible words and cells of a page; notes unclosed elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.scripts = 0
        self.words: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)
            if "td" in self.open:
                self.rows[-1][-1] += data


def _measures(content: ReportContent) -> list[tuple[str, str, str]]:
    """Name, value and unit of each measure as they must stand in a row."""
    measures = (*content.morphology.measures, *content.flow.measures)
    entries = [(quantity(measure.id), measure) for measure in measures]
    return [(quantity_name("en", entry), format_value(measure), format_unit(entry.unit)) for entry, measure in entries]


def test_every_measure_stands_in_a_row_with_its_value_and_unit(content: ReportContent, report: Report) -> None:
    rows = [{cell.strip() for cell in row} for row in Page(report.html).rows]
    wanted = _measures(content)
    assert len(wanted) > 5
    assert [measure for measure in wanted if not any(set(measure) <= row | {""} for row in rows)] == []


def test_every_measure_has_its_definition_and_source(content: ReportContent, report: Report) -> None:
    page = " ".join(Page(report.html).words)
    entries = [quantity(measure.id) for measure in (*content.morphology.measures, *content.flow.measures)]
    assert [entry.id for entry in entries if entry.definition_en not in page or entry.source not in page] == []


def test_all_pictures_were_drawn(report: Report) -> None:
    assert report.notes == ()
    assert report.html.count("<img ") == 10


def test_the_page_is_self_contained_and_small(report: Report) -> None:
    assert (
        re.findall(
            r"""(?:https?:)?//[\w.-]+\.\w+|\bsrc=["'](?!data:)|<link|@import|url\((?!data:)""", _without_data(report.html)
        )
        == []
    )
    assert "default-src 'none'" in report.html
    assert len(report.html) < 12e6


def _without_data(page: str) -> str:
    return re.sub(r'data:image/\w+;base64,[\w+/=]+|"data": "[\w+/=]+"', "data:", page)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_both_languages_state_the_limits_and_every_note(language: str) -> None:
    content = sample_content()
    page = " ".join(Page(render_page(content, {}, (Note("figures_stopped", {"reason": "signal 11"}),), language, True)).words)
    for key in ("report.research", "method.wall", "method.rupture", "method.segmentation"):
        assert text(language, key) in page
    for _, note in content.notes:
        assert note_text(language, note) in page
    assert "signal 11" in page


def test_hostile_names_are_shown_as_text() -> None:
    content = sample_content(case_name=HOSTILE)
    page = render_page(content, {}, (Note("unheard_of", {"value": HOSTILE}),), "en", True)
    assert "<script>alert" not in page
    assert html.escape("{{ 7 * 7 }}") in page
    parsed = Page(page)
    assert parsed.scripts == 2
    assert HOSTILE in "".join(parsed.words)


def test_candidates_of_a_tree_stand_in_a_table_with_the_one_assessed() -> None:
    content = sample_content(with_image=False, steady=True)
    assert "may be an aneurysm" not in render_page(content, {}, (), "en", False)
    found = (Candidate(1, (1.24, 2.0, 3.0), 6.51, 0.754, False), Candidate(2, (0.0, 1.0, 2.0), 4.0, 0.5, True))
    page = render_page(replace(content, model=replace(content.model, candidates=found)), {}, (), "en", False)
    words = " ".join(" ".join(Page(page).words).split())
    assert "may be an aneurysm" in words
    assert "1.2, 2.0, 3.0 6.5 0.75" in words
    assert words.count("assessed here") == 1
    assert words.index("0.50 assessed here") > words.index("0.75")


def test_a_tree_with_unclear_places_is_not_said_to_be_without_aneurysm() -> None:
    content = sample_content(with_sac=False, with_image=False, steady=True)
    place = Candidate(1, (1.0, 2.0, 3.0), 6.5, 0.56, False)
    page = render_page(replace(content, model=replace(content.model, candidates=(place,))), {}, (), "en", False)
    assert "places that may be one: 1, to be looked at" in page
    assert "No aneurysm was found" not in page


def test_a_doubt_of_the_finding_stands_on_the_first_page() -> None:
    content = sample_content(with_image=False)
    notes = tuple(("model", Note(f"warning_{k}", {})) for k in range(6))
    page = render_page(replace(content, notes=(*notes, ("simulate", Note("sac_without_flow", {})))), {}, (), "en", False)
    assert "Almost no blood moves" in page[: page.index('<section id="shape"')]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_assumed_inflow_is_told_with_what_it_means_for_the_numbers(language: Language) -> None:
    content = sample_content(with_image=False)
    measures = (Measure("sac_tawss_mean", 2.0), Measure("pressure_loss", 100.0))
    given = replace(content, flow=replace(content.flow, measures=measures), notes=())
    assert inflow_sentence(given, language) is None
    values = {"flow_ml_s": 2.1, "radius_mm": 1.7, "wall_shear_pa": 1.5, "inlets": 1}
    assumed = replace(given, notes=(("boundary", Note("inflow_from_radius", values, "assumption")),))
    sentence = inflow_sentence(assumed, language)
    # A slope of log shear by log inflow of 1.97: the logarithm of the shown ends over that of the inflows they stand for.
    found = [float(number) for number in re.findall(r"\d+\.?\d*", sentence or "")]
    assert found[0] == 1.5
    low, high, loss_low, loss_high = found[1:5]
    assert np.log(high / low) / np.log(1.5**2) == pytest.approx(1.97, abs=0.05) and low * high == pytest.approx(4.0, rel=0.05)
    assert np.log(loss_high / loss_low) / np.log(1.5**2) == pytest.approx(1.44, abs=0.05)
    assert (sentence or "") in html.unescape(render_page(assumed, {}, (), language, False))
    assert inflow_sentence(replace(assumed, flow=replace(content.flow, measures=measures[:1])), language) is None


def predicted(content: ReportContent) -> ReportContent:
    """With a prediction of half the wall shear, and of a pressure loss a fifth above what was simulated."""
    wall, fields = content.flow.wall, {"TAWSS": 0.5 * content.flow.wall_fields["TAWSS"]}
    measures = (Measure("pressure_loss", 120.0, 110.0, 130.0), Measure("sac_tawss_mean", 1.0, 0.7, 1.3))
    method = {"networks": "ab", "members": 3, "coarse_flow": True}
    simulated = (Measure("pressure_loss", 100.0), Measure("sac_tawss_mean", 1.01))
    prediction = Prediction(wall, content.flow.region, fields, measures, method, ())
    return replace(content, prediction=prediction, flow=replace(content.flow, measures=simulated))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_prediction_and_simulation_stand_side_by_side(language: Language) -> None:
    content = sample_content(with_image=False)
    assert 'id="prediction"' not in render_page(content, {}, (), language, False)
    page = render_page(predicted(content), {}, (), language, True)
    section = page[page.index('<section id="prediction"') : page.index('<section id="assumed"')]
    loss, shear = Page(section.rpartition("</section>")[0] + "</section>").rows[1:]
    outside = text(language, "prediction.outside")
    assert loss[1:5] == ["120", "110–130", "100", "+20 %"] and loss[6] == outside
    assert shear[1:5] == ["1.0", "0.7–1.3", "1.01", "−1.0 %"] and shear[6] == ""
    assert text(language, "prediction.pulsatile") in section


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_prediction_alone_stands_where_the_flow_would_and_says_so_first(language: Language) -> None:
    content = predicted(sample_content(with_image=False))
    assert content.prediction is not None
    note = ("predict", Note("flow_predicted", {}))
    alone = replace(
        content, flow=as_flow(content.prediction), prediction=None, predicted_by={"members": 3}, notes=(*content.notes, note)
    )
    page = html.unescape(render_page(alone, {}, (), language, True))
    assert note_text(language, note[1]).partition("--")[0] in page[: page.index('<section id="shape"')]
    section = page[page.index('<section id="flow"') : page.index('<section id="assumed"')]
    assert "110–130" in section and 'id="prediction"' not in page
    assert text(language, "report.flow_interval_note_predicted") in section
    assert text(language, "report.flow_interval_note") not in page
    assert text(language, "method.flow_predicted") in page and text(language, "method.flow") not in page
    assert scenes.flow_views(alone) is None


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_prediction_over_the_cycle_is_shown_as_a_simulated_one(language: Language) -> None:
    content = predicted(sample_content(with_image=False))
    assert content.prediction is not None
    fields = {name: content.flow.wall_fields[name] for name in ("TAWSS", "OSI", "RRT", "pressure", "WSS_mean")}
    measures = (*content.prediction.measures, Measure("sac_osi_mean", 0.032, 0.021, 0.043))
    method = {**content.prediction.method, "cycle": True}
    cycle = replace(content.prediction, wall_fields=fields, measures=measures, method=method)
    section = render_page(replace(content, prediction=cycle), {}, (), language, True).partition('<section id="prediction"')[2]
    assert text(language, "prediction.lead_cycle", members=3) in html.unescape(section)
    assert text(language, "prediction.pulsatile") not in html.unescape(section)
    alone = replace(content, flow=as_flow(cycle), prediction=None, predicted_by=method)
    assert not alone.steady and scenes.wall_field(alone, "OSI") is not None
    page = html.unescape(render_page(alone, {}, (), language, True))
    assert "0.021–0.043" in page and text(language, "caption.tawss_steady") not in page


def test_a_vessel_is_assessed_as_a_vessel() -> None:
    page = " ".join(Page(render_page(sample_content(with_sac=False, with_image=False, steady=True), {}, (), "en", True)).words)
    assert "No aneurysm was found" in page
    assert text("en", "group.sac") not in page and text("en", "group.flow-sac") not in page
    assert text("en", "boundary.steady") in page


@pytest.mark.parametrize(("language", "cycle"), [("en", "cycle"), ("zh", "周期")])
@pytest.mark.parametrize("with_sac", [True, False])
def test_a_steady_report_speaks_of_no_cycle(with_sac: bool, language: Language, cycle: str) -> None:
    content = sample_content(with_sac=with_sac, with_image=False, steady=True)
    pictures = dict.fromkeys(("key", "tawss", "pressure", "flow"), b"\x89PNG")
    page = render_page(content, pictures, (), language, True)
    shown = re.findall(r"<figcaption>(.*?)</figcaption>", page) + re.findall(r'"label": "(.*?)"', page)
    assert len(shown) > 6
    assert [words for words in shown if cycle in words] == []
    numerics = page[page.index(text(language, "report.numerics")) : page.index('<section id="provenance"')]
    assert cycle not in numerics


def test_options_in_notes_are_not_broken_over_lines() -> None:
    note = Note("flow_coarse", {"cells": 4.0})
    page = render_page(sample_content(with_image=False), {}, (note,), "en", True)
    assert '<span class="option">--resolution</span> helps' in page


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext (Debian package poppler-utils) is not installed")
def test_the_pdf_has_the_same_numbers(content: ReportContent, report: Report, tmp_path: Path) -> None:
    assert report.pdf is not None
    file = tmp_path / "report.pdf"
    file.write_bytes(report.pdf)
    words = subprocess.run(["pdftotext", "-layout", file, "-"], capture_output=True, text=True, check=True).stdout
    assert [value for _, value, unit in _measures(content) if value not in words or unit not in words] == []
    assert "not a diagnosis" in words
    assert "WebGL" not in words


def test_a_chinese_pdf_is_made_or_the_font_package_is_named() -> None:
    pdf, notes = print_pdf("<!DOCTYPE html><html lang='zh-Hans'><body><p>颅内动脉瘤</p></body></html>", "zh")
    if has_chinese_font():
        assert pdf is not None and pdf.startswith(b"%PDF") and notes == ()
    else:
        assert pdf is None and "fonts-noto-cjk" in note_text("en", notes[0])


def test_without_a_chinese_font_no_pdf_of_boxes_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aneuflow.report.pdf.has_chinese_font", lambda: False)
    pdf, notes = print_pdf("<p>颅内动脉瘤</p>", "zh")
    assert pdf is None and "fonts-noto-cjk" in note_text("zh", notes[0])
