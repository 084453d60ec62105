"""One whole report, drawn once for all tests of the page."""

from __future__ import annotations

import pytest

from aneuflow.report import Report, ReportContent, build_report
from tests.report.sample import sample_content


@pytest.fixture(scope="session")
def content() -> ReportContent:
    return sample_content()


@pytest.fixture(scope="session")
def report(content: ReportContent) -> Report:
    return build_report(content, "en")
