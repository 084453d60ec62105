"""Image archives (PACS): find, get and send over DIMSE or DICOMweb."""

from aneuflow.pacs.archive import Archive, Found, Query, archive_at, fetch, search, store

__all__ = ["Archive", "Found", "Query", "archive_at", "fetch", "search", "store"]
