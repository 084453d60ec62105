"""The print page set as PDF, or a note on why it could not be."""

from __future__ import annotations

import logging
from functools import cache

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

from aneuflow.report.text import Language
from aneuflow.types import Note

CHINESE_SAMPLE = "颅内动脉瘤切应力"


def print_pdf(page: str, language: Language) -> tuple[bytes | None, tuple[Note, ...]]:
    """The PDF of an HTML page, or None and a note where a font or library is missing."""
    if language == "zh" and not has_chinese_font():
        return None, (Note("pdf_font_missing"),)
    try:
        from weasyprint import HTML
        from weasyprint.urls import URLFetcher
    except OSError as error:
        return None, (Note("pdf_library_missing", {"reason": str(error).splitlines()[0]}),)
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    # A report never reaches for the network or for other files.
    inline_only = URLFetcher(allowed_protocols=("data",))
    try:
        pdf = HTML(string=page, url_fetcher=inline_only).write_pdf()
    except Exception as error:
        return None, (Note("pdf_failed", {"reason": f"{type(error).__name__}: {error}"}),)
    return pdf, ()


@cache
def has_chinese_font() -> bool:
    """Whether some installed font draws simplified Chinese rather than empty boxes."""
    return any(_covers(path) for path in sorted(font_manager.findSystemFonts(), key=_likelihood))


def _likelihood(path: str) -> int:
    return 0 if any(word in path.lower() for word in ("cjk", "han", "wqy", "hei", "song")) else 1


def _covers(path: str) -> bool:
    try:
        letters = FT2Font(path).get_charmap()
    except (RuntimeError, OSError):
        return False
    return all(ord(letter) in letters for letter in CHINESE_SAMPLE)
