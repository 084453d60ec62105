"""DICOM libraries warn and log with the values they find odd, patients' names among them: here they are kept silent."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOGGERS = ("pydicom", "highdicom", "pynetdicom", "dicomweb_client", "urllib3")


@contextmanager
def quiet_dicom() -> Iterator[None]:
    """No warning and no log line of a DICOM library within the block; what matters is checked by whoever calls."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
