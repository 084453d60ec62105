"""An archive that speaks DIMSE: C-FIND, C-GET or C-MOVE, C-STORE (PS3.4, PS3.7)."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset

from aneuflow.errors import AneuflowError, ResourceError
from aneuflow.pacs.archive import Found, Keep, Query, found_from, number
from aneuflow.types import Progress

try:
    from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, evt
    from pynetdicom.presentation import build_context, build_role
except ImportError:
    raise ResourceError('Archives need the package pynetdicom; install it with pip install "aneuflow[dicom]".') from None

TIMEOUT_S = 30
# Study Root Query/Retrieve Information Model.
_FIND, _MOVE, _GET = (f"1.2.840.10008.5.1.4.1.2.2.{number}" for number in (1, 2, 3))
_SUCCESS, _OUT_OF_RESOURCES = 0x0000, 0xA700
_PENDING = (0xFF00, 0xFF01)
# What a study with an angiogram or our results may hold; an association has room for 128.
_STORED_KINDS = tuple(
    f"1.2.840.10008.5.1.4.1.1.{kind}"
    for kind in (
        "1", "1.1", "2", "2.1", "2.2", "4", "4.1", "4.2", "4.3", "4.4", "7", "7.1", "7.2", "7.3", "7.4", "11.1", "12.1",
        "12.1.1", "12.2", "13.1.1", "30", "66", "66.1", "66.4", "66.5", "88.11", "88.22", "88.33", "88.34", "88.59", "88.67",
        "104.1", "104.3",
    )
)  # fmt: skip


class Dimse:
    """The archive `title` at host and port; `own_title` is how this program names itself."""

    def __init__(self, title: str, host: str, port: int, own_title: str, receive_port: int | None) -> None:
        self._title, self._host, self._port = title, host, port
        self._own_title, self._receive_port = own_title, receive_port

    def find(self, query: Query) -> list[Found]:
        level = "SERIES" if query.study_uid else "STUDY"
        found = []
        with self._association([build_context(_FIND)]) as association:
            for status, answer in association.send_c_find(_identifier(query, level), _FIND):
                self._check(status, "find")
                if answer is not None:
                    found.append(found_from(answer, level == "SERIES"))
        return found

    def get(self, study_uid: str, series_uid: str, keep: Keep) -> None:
        identifier = Dataset()
        identifier.QueryRetrieveLevel = "SERIES" if series_uid else "STUDY"
        identifier.StudyInstanceUID = study_uid
        if series_uid:
            identifier.SeriesInstanceUID = series_uid
        kept = _Kept(keep)
        handlers = [(evt.EVT_C_STORE, kept.store)]
        if self._receive_port is None:
            contexts = [build_context(kind, ALL_TRANSFER_SYNTAXES) for kind in _STORED_KINDS]
            contexts.append(build_context(_GET))
            roles = [build_role(kind, scp_role=True) for kind in _STORED_KINDS]
            with self._association(contexts, handlers, roles) as association:
                answers = association.send_c_get(identifier, _GET)
                self._await(answers, kept)
            return
        with self._listening(self._receive_port, handlers), self._association([build_context(_MOVE)]) as association:
            self._await(association.send_c_move(identifier, self._own_title, _MOVE), kept)

    def send(self, files: Sequence[Path], progress: Progress) -> None:
        kinds = {_kind(file) for file in files}
        with self._association([build_context(kind, syntax) for kind, syntax in sorted(kinds)]) as association:
            accepted = {(context.abstract_syntax, context.transfer_syntax[0]) for context in association.accepted_contexts}
            for done, file in enumerate(files):
                if _kind(file) not in accepted:
                    raise ResourceError(
                        f"Archive {self._title} does not take {pydicom.uid.UID(_kind(file)[0]).name} ({file.name})."
                    )
                self._check(association.send_c_store(file), f"take {file.name}")
                progress((done + 1) / len(files), f"{done + 1} of {len(files)} sent")

    @contextmanager
    def _association(
        self, contexts: list[Any], handlers: list[Any] | None = None, roles: list[Any] | None = None
    ) -> Iterator[Any]:
        entity = AE(ae_title=self._own_title)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = entity.connection_timeout = TIMEOUT_S
        why = "cannot be reached"
        try:
            association: Any = entity.associate(
                self._host, self._port, contexts, ae_title=self._title, ext_neg=roles, evt_handlers=handlers or []
            )
        except OSError:  # the host's name has no address
            association = None
        if association is not None and association.is_rejected:
            why = "refused this program"
        if association is None or not association.is_established:
            raise ResourceError(
                f"Archive {self._title} at {self._host}:{self._port} {why}; check titles, host and port, "
                f"and that it knows the title {self._own_title}."
            )
        # Command and data go as two writes: with Nagle's algorithm each image waits 40 ms for an acknowledgment.
        stream: Any = association.dul.socket
        stream.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            yield association
        finally:
            if association.is_established:
                association.release()

    @contextmanager
    def _listening(self, port: int, handlers: list[Any]) -> Iterator[None]:
        entity = AE(ae_title=self._own_title)
        for kind in _STORED_KINDS:
            entity.add_supported_context(kind, ALL_TRANSFER_SYNTAXES)
        try:
            server: Any = entity.start_server(("", port), block=False, evt_handlers=handlers)
        except OSError as error:
            raise ResourceError(f"Cannot listen on port {port}: {error.strerror}; choose another.") from error
        try:
            yield
        finally:
            server.shutdown()

    def _await(self, answers: Any, kept: _Kept) -> None:
        failed = 0
        for status, _ in answers:
            if kept.error is not None:
                raise kept.error
            self._check(status, "send the images")
            failed = number(status.get("NumberOfFailedSuboperations", 0)) or 0
        if kept.error is not None:
            raise kept.error
        if failed:
            raise ResourceError(f"Archive {self._title} could not send {failed} of the images; ask for one series.")

    def _check(self, status: Dataset, what: str) -> None:
        if not status:
            raise ResourceError(f"Archive {self._title} broke off or took over {TIMEOUT_S} s; try again.")
        if status.Status not in (_SUCCESS, *_PENDING) and status.Status >> 12 != 0xB:
            raise ResourceError(f"Archive {self._title} could not {what} (DICOM status {status.Status:04X}); see its log.")


class _Kept:
    """Takes incoming images; an error within is kept, for it would be lost in the thread that serves them."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self.error: Exception | None = None

    def store(self, event: Any) -> int:
        if self.error is None:
            try:
                self._keep(event.encoded_dataset())
            except (AneuflowError, OSError) as error:
                self.error = error
        return _SUCCESS if self.error is None else _OUT_OF_RESOURCES


def _identifier(query: Query, level: str) -> Dataset:
    identifier = Dataset()
    identifier.SpecificCharacterSet = "ISO_IR 192"
    identifier.QueryRetrieveLevel = level
    identifier.StudyInstanceUID = query.study_uid
    identifier.PatientID, identifier.AccessionNumber = query.patient_id, query.accession
    identifier.PatientName = identifier.StudyTime = ""
    identifier.StudyDate = query.date
    if level == "STUDY":
        identifier.ModalitiesInStudy, identifier.StudyDescription = query.modality, ""
        identifier.NumberOfStudyRelatedInstances = None
    else:
        identifier.SeriesInstanceUID = identifier.SeriesDescription = ""
        identifier.Modality = query.modality
        identifier.NumberOfSeriesRelatedInstances = None
    return identifier


def _kind(file: Path) -> tuple[str, str]:
    meta = pydicom.dcmread(file, specific_tags=["SOPClassUID"], stop_before_pixels=True).file_meta
    return str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)
