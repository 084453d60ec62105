"""A real browser (Debian's Chromium) in front of a real server."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed (Debian package chromium)")
# Asking who is signed in is answered by 401 where no one is, which the browser itself writes to the console.
EXPECTED = r"status of 401"


@contextmanager
def browsing(address: str, seconds: float, expected: str = EXPECTED) -> Iterator[object]:
    """A page at the address; at the end nothing but what is expected, a regular expression, may stand in its console."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install 'aneuflow[dev]')")
    told: list[str] = []
    with api.sync_playwright() as playwright:
        options = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        browser = playwright.chromium.launch(executable_path=BROWSER, args=options)
        page = browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 900}).new_page()
        page.set_default_timeout(1000 * seconds)
        page.on("console", lambda message: told.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: told.append(str(error)))
        page.goto(address)
        yield page
        browser.close()
    unexpected = [line for line in told if not re.search(expected, line)]
    assert not unexpected, unexpected
