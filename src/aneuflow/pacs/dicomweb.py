"""An archive that speaks DICOMweb: QIDO-RS, WADO-RS, STOW-RS (PS3.18)."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import pydicom
from pydicom.dataset import Dataset

from aneuflow.errors import InputError, ResourceError
from aneuflow.pacs.archive import Found, Keep, Query, found_from
from aneuflow.types import Progress

try:
    import requests
    from dicomweb_client.api import DICOMwebClient
except ImportError:
    raise ResourceError('Archives need the package dicomweb-client; install it with pip install "aneuflow[dicom]".') from None

USER, PASSWORD, TOKEN = "ANEUFLOW_PACS_USER", "ANEUFLOW_PACS_PASSWORD", "ANEUFLOW_PACS_TOKEN"
TIMEOUT_S = 60
_NOT_FOUND = 404
_AS_STORED = (("application/dicom", "*"),)
_STUDY_FIELDS = ("StudyDescription", "ModalitiesInStudy", "NumberOfStudyRelatedInstances")
_SERIES_FIELDS = ("SeriesDescription", "NumberOfSeriesRelatedInstances", "StudyDate", "PatientID", "PatientName")
_T = TypeVar("_T")


class DicomWeb:
    """The archive under a base URL; user and password, or a bearer token, come from the environment."""

    def __init__(self, url: str) -> None:
        self._host = urlsplit(url).netloc.rpartition("@")[2]
        if "@" in urlsplit(url).netloc:
            raise InputError(f"Give no password in the address of an archive; set {USER} and {PASSWORD} instead.")
        self._client = DICOMwebClient(url, session=_session(url), timeout=TIMEOUT_S)
        self._client.set_http_retry_params(retry=False)

    def find(self, query: Query) -> list[Found]:
        asked = {"PatientID": query.patient_id, "AccessionNumber": query.accession, "StudyDate": query.date}
        if query.study_uid:
            filters = {key: value for key, value in {**asked, "Modality": query.modality}.items() if value}
            answers = self._asked(
                lambda: self._client.search_for_series(
                    query.study_uid, fields=_SERIES_FIELDS, search_filters=filters, get_remaining=True
                )
            )
        else:
            filters = {key: value for key, value in {**asked, "ModalitiesInStudy": query.modality}.items() if value}
            answers = self._asked(
                lambda: self._client.search_for_studies(fields=_STUDY_FIELDS, search_filters=filters, get_remaining=True)
            )
        return [found_from(Dataset.from_json(answer), bool(query.study_uid)) for answer in answers]

    def get(self, study_uid: str, series_uid: str, keep: Keep) -> None:
        def images() -> None:
            if series_uid:
                stream = self._client.iter_series(study_uid, series_uid, media_types=_AS_STORED)
            else:
                stream = self._client.iter_study(study_uid, media_types=_AS_STORED)
            for image in stream:
                buffer = io.BytesIO()
                image.save_as(buffer, enforce_file_format=True)
                keep(buffer.getvalue())

        self._asked(images)

    def send(self, files: Sequence[Path], progress: Progress) -> None:
        for done, file in enumerate(files):
            image = pydicom.dcmread(file)
            answer = self._asked(lambda image=image: self._client.store_instances([image]))  # type: ignore[misc]
            if answer.get("FailedSOPSequence"):
                raise ResourceError(f"Archive {self._host} did not take {file.name}; see its log.")
            progress((done + 1) / len(files), f"{done + 1} of {len(files)} sent")

    def _asked(self, ask: Callable[[], _T]) -> _T:
        """The answer; errors are told without the address, which may hold a patient's number."""
        try:
            return ask()
        except requests.HTTPError as error:
            code = error.response.status_code if error.response is not None else 0
            why = {401: "it wants a user and password or a token", 403: "this user may not", _NOT_FOUND: "it has no such thing"}
            raise ResourceError(
                f"Archive {self._host} answered {code} ({why.get(code, 'see its log')}); credentials are taken from "
                f"{USER} and {PASSWORD}, or {TOKEN}."
            ) from None
        except (requests.RequestException, ConnectionError):
            raise ResourceError(f"Archive {self._host} cannot be reached; check address, network and certificate.") from None
        except (ValueError, KeyError, pydicom.errors.InvalidDicomError):
            raise ResourceError(f"Archive {self._host} answered what is no DICOMweb; check the address's path.") from None


def _session(url: str) -> requests.Session:
    """Raises InputError where a password or token would go over the network unencrypted."""
    session = requests.Session()
    user, password, token = (os.environ.get(name, "") for name in (USER, PASSWORD, TOKEN))
    local = urlsplit(url).hostname in {"localhost", "127.0.0.1", "::1"}
    if (user or token) and url.startswith("http://") and not local:
        raise InputError("A password or token would go over the network unencrypted; use an https:// address.")
    if token:
        session.headers["Authorization"] = f"Bearer {token}"
    elif user:
        session.auth = (user, password)
    return session
