"""The page says what the look found, in both languages, and looks for nothing outside of itself."""

from __future__ import annotations

from datetime import date

import pytest

from aneuflow.report.monitoring import LookContent, _plot, alert_sentences, headline, look_page
from aneuflow.report.text import Language
from aneuflow.risk.change import ModelName
from aneuflow.risk.monitor import Agreement, Alert, Drift, Monitoring

RECENT = Agreement(date(2026, 4, 1), date(2026, 9, 30), 80, 60, 12, 24.3, 0.171, 0.82, -0.91, 0.0004)
FOUND = Monitoring(
    ModelName("resemblance-made-1234", "a" * 64, "b" * 64), 90, 10,
    (
        Drift("size_mm", 88, 0.02, 0.06, 0.31, 0.24, 0.002, 1.0), Drift("site", 50, 0.44, 0.03, 0.01, None, 1.0, 0.0001),
        Drift("sac_osi_mean", 90, 0.0, 0.0, 0.02, 0.08, 0.03, 1.0), Drift("of_our_own", 5, 0.94, 0.94, None, None, None, 1.0),
        Drift("resemblance", 40, 0.5, 0.36, 0.05, 0.1, 1.0, None),
    ),
    RECENT,
    (Agreement(date(2026, 4, 2), date(2026, 6, 30), 40, 30, 6, 12.0, 0.17, None, None), RECENT),
    (Alert("distribution", "size_mm"), Alert("unknown", "site"), Alert("calibration", "resemblance")),
)  # fmt: skip


def test_each_alert_is_a_sentence_with_its_numbers() -> None:
    assert headline(FOUND, "en").startswith("Alerts: 3. The 90 cases")
    assert alert_sentences(FOUND, "en") == [
        "Largest diameter (mm): its distribution is no longer that of the training table (PSI 0.31, p 0.002).",
        "Site: not known in 44 % of the cases; in the training table in 3 %.",
        "Outcomes do not agree with the model: 12 ruptured, 24.3 expected (p < 0.001).",
    ]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_holds_it_all(language: Language) -> None:
    page = look_page(LookContent(FOUND, "cases <of> 2026", "0", "now"), (), language)
    assert "cases &lt;of&gt; 2026" in page and "a" * 64 in page and "b" * 64 in page
    assert page.count('<tr class="alert">') == 3 and page.count("<circle") == 2
    assert "0.49" in page  # 12 over 24.3
    words = {"en": ("beyond chance, but slight", "too few to tell"), "zh": ("超出偶然，但差异很小", "例数太少")}[language]
    assert all(word in page for word in words) and "of_our_own" in page.lower()
    assert "http" not in page.replace("http-equiv", "").lower()


def test_dots_and_line_stand_where_the_shares_are() -> None:
    plot = _plot(FOUND.quarters)
    assert plot is not None
    (x, y, low, high, label), second = plot["observed"]
    assert (x, label) == (80.0, "2026 Q2") and second[0] == 715.0
    assert y == pytest.approx(172 - 0.2 * 160) and low > y > high
    assert plot["expected"] == f"80.0,{172 - 0.4 * 160},715.0,{round(172 - 24.3 / 60 * 160, 1)}".replace(",715", " 715")
    assert _plot(FOUND.quarters[:1]) is None
