"""A finished case of the made-up aneurysm that began with a DICOM series, and that series with a patient's identity."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pydicom

from aneuflow.case import store
from aneuflow.case.folder import CaseFolder, Manifest, StageRecord
from aneuflow.case.risk_store import write_risk
from aneuflow.imaging import read_image
from aneuflow.pipeline.run import stage_key
from aneuflow.pipeline.settings import Settings
from aneuflow.pipeline.stages import chain
from aneuflow.report.dicom import derived_series
from aneuflow.risk import Clinical, Flow, GradeSettings, assess_risk
from aneuflow.types import FloatArray, FlowSolution, LumenModel, Note, Risk, Volume
from tests.report.sample import sample_boundary, sample_flow, sample_image, sample_model, sample_morphology

SECRET = "Zhivago"
PERSON = {
    "PatientName": "Живаго^Юрий", "PatientID": SECRET, "PatientBirthDate": "19170101", "PatientSex": "M",
    "StudyDate": "19580305", "StudyTime": "101500", "StudyID": "77", "AccessionNumber": "A4711",
    "ReferringPhysicianName": f"{SECRET}^Doctor",
}  # fmt: skip
SHA256 = "ab" * 32
STAGES = {
    "import": "image", "model": "model", "measure": "morphology", "boundary": "boundary", "simulate": "flow",
    "report": "report",
}  # fmt: skip


def original_series(folder: Path, affine: FloatArray | None = None, modality: str = "CTA") -> list[pydicom.Dataset]:
    """The sample's image as a hospital's series in `folder`, with patient and UIDs of its own; affine: another grid."""
    volume = sample_image()[0]
    volume = replace(
        volume, values=np.round(volume.values), modality=modality, affine=volume.affine if affine is None else affine
    )
    images = derived_series(volume, folder.name).headers
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        for name in ("PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence"):
            delattr(image, name)
        for name, value in PERSON.items():
            setattr(image, name, value)
        image.InstitutionName = SECRET
        image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        image.add_new((0x0009, 0x0010), "LO", f"{SECRET} PRIVATE")
        image.add_new((0x0009, 0x1001), "LO", SECRET)
        image.save_as(folder / f"{SECRET}-{number}.dcm", enforce_file_format=True)
    return list(images)


@cache
def _model_and_flow() -> tuple[LumenModel, FlowSolution]:
    model = sample_model()
    return model, sample_flow(model)


def write_case(
    path: Path,
    image: Volume | None,
    kind: str = "image",
    pdf: bytes | None = b"%PDF-1.4\n%%EOF\n",
    model: LumenModel | None = None,
    graded: bool = False,
) -> CaseFolder:
    """A case folder whose every stage is done; the grade only where it is asked for."""
    case = CaseFolder(path)
    own, flow = _model_and_flow()
    boundary = replace(sample_boundary(), notes=(Note("profile_plug", {}, "assumption"),))
    done = {**STAGES, "grade": "risk"} if graded else STAGES
    for folder in done.values():
        (path / folder).mkdir(parents=True)
    if image is not None:
        store.write_image(path / "image", image)
    store.write_model(path / "model", model or own)
    store.write_morphology(path / "morphology", sample_morphology())
    store.write_boundary(path / "boundary", boundary)
    store.write_flow(path / "flow", flow)
    if pdf is not None:
        (path / "report/report.pdf").write_bytes(pdf)
    if graded:
        write_risk(path / "risk", sample_risk(own, flow))
    outputs = {folder: case.outputs(folder) for folder in done.values()}
    keys = {"import": SHA256}
    for stage in chain(kind):
        inputs = {folder: outputs[folder] for folder in stage.reads if folder in outputs}
        keys[stage.name] = stage_key(stage, Settings(), inputs)
    stages = {name: StageRecord("done", keys[name], folder, outputs[folder], 0.0) for name, folder in done.items()}
    case.save(Manifest(input={"kind": kind, "sha256": SHA256}, settings={}, stages=stages))
    return case


def sample_risk(model: LumenModel, flow: FlowSolution) -> Risk:
    """With regions of several kinds."""
    return assess_risk(model, sample_morphology(), Flow(flow, False), Clinical(), GradeSettings(samples=8), blebs=[])


def case_of_series(path: Path, series: Path, graded: bool = False) -> CaseFolder:
    return write_case(path, read_image(series), graded=graded)
