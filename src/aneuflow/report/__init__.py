"""The report of a case: one self-contained HTML page with the wall in 3D, and the same for print as PDF."""

from __future__ import annotations

from aneuflow.report.content import InputFile, Provenance, Report, ReportContent, StageRun
from aneuflow.report.text import Language

__all__ = ["InputFile", "Provenance", "Report", "ReportContent", "StageRun", "build_report"]


def build_report(content: ReportContent, language: Language) -> Report:
    """The report of a case in a language; what could not be made is left out and named in the notes and on the page."""
    # This late: who wants texts or tables alone does not wait for what draws.
    from aneuflow.report.figures import draw_figures
    from aneuflow.report.html import render_page
    from aneuflow.report.pdf import print_pdf

    pictures, drawing_notes = draw_figures(content)
    pdf, pdf_notes = print_pdf(render_page(content, pictures, drawing_notes, language, interactive=False), language)
    notes = (*drawing_notes, *pdf_notes)
    return Report(render_page(content, pictures, notes, language, interactive=True), pdf, notes)
