"""The measures as a structured report by TID 1500, Imaging Measurement Report (PS3.16), with SCT, UCUM and private codes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any

from pydicom.dataset import Dataset

from aneuflow import __version__
from aneuflow.quantities import quantity, registry
from aneuflow.report.dicom.codes import (
    ANEURYSM,
    ANGIOGRAPHY,
    ARTERY,
    COMMENT,
    ENGLISH,
    INTRACRANIAL,
    LOWER,
    MANUFACTURER,
    MEASUREMENT_REPORT,
    PRIVATE_SCHEME,
    UPPER,
    concept,
    highdicom,
    quantity_code,
    unit_code,
)
from aneuflow.report.dicom.study import finish, new_uid, own_series
from aneuflow.types import Measure

SERIES_NUMBER = 9002
SAC_GROUPS = frozenset({"sac", "flow-sac"})
RESEARCH_ONLY = "Research use only; not for diagnosis."


def measurement_report(
    study: Dataset, images: Sequence[Dataset], segments: Any | None, measures: Iterable[Measure], comments: Sequence[str]
) -> Any:
    """A Comprehensive 3D SR (highdicom dataset) with one group of measurements for the sac and one for the artery.

    study: patient and study; images: headers the measures come from; segments: the Segmentation whose segments the groups
    refer to, None where there is none; comments: assumptions and warnings, put beside the measures. Intervals stand as lower
    and upper uncertainty. The report is unverified and preliminary: no person has confirmed it.
    """
    hd = highdicom()
    order = {id: number for number, id in enumerate(registry())}
    known = sorted(measures, key=lambda measure: order[measure.id])
    groups = []
    for is_sac, finding in ((True, ANEURYSM), (False, ARTERY)):
        chosen = [measure for measure in known if (quantity(measure.id).group in SAC_GROUPS) == is_sac]
        if chosen:
            groups.append(_group(finding, chosen, segments, [RESEARCH_ONLY, *comments]))
    report = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=_observer()),
        procedure_reported=concept(ANGIOGRAPHY),
        imaging_measurements=groups,
        title=concept(MEASUREMENT_REPORT),
        language_of_content_item_and_descendants=hd.sr.LanguageOfContentItemAndDescendants(concept(ENGLISH)),
    )
    evidence = [*images, *([segments] if segments is not None else [])]
    result = hd.sr.Comprehensive3DSR(
        evidence=evidence or [_stand_in(study)],
        content=report[0],
        is_complete=True,
        specific_character_set="ISO_IR 192",
        coding_schemes=[_private_scheme()],
        **own_series(SERIES_NUMBER, "measurements"),
    )
    if not evidence:
        del result.CurrentRequestedProcedureEvidenceSequence
    finish(result, study)
    return result


def _observer() -> Any:
    hd = highdicom()
    device = hd.sr.DeviceObserverIdentifyingAttributes(
        uid=new_uid(), name=MANUFACTURER, manufacturer_name=MANUFACTURER, model_name=__version__
    )
    return hd.sr.ObserverContext(observer_type=concept(("DCM", "121007", "Device")), observer_identifying_attributes=device)


def _group(finding: tuple[str, str, str], measures: Sequence[Measure], segments: Any | None, comments: Sequence[str]) -> Any:
    hd = highdicom()
    item, number = _segment_of(segments, finding)
    facts = {
        "finding_type": concept(finding),
        "finding_sites": [hd.sr.FindingSite(anatomic_location=concept(INTRACRANIAL))],
        "algorithm_id": hd.sr.AlgorithmIdentification(name=MANUFACTURER, version=__version__),
        "measurements": [_measurement(measure) for measure in measures],
    }
    if item is None:
        tracking = hd.sr.TrackingIdentifier(uid=new_uid(), identifier=finding[2])
        group = hd.sr.MeasurementsAndQualitativeEvaluations(tracking_identifier=tracking, **facts)
    else:
        tracking = hd.sr.TrackingIdentifier(uid=item.TrackingUID, identifier=item.TrackingID)
        segment = hd.sr.ReferencedSegment.from_segmentation(segments, segment_number=number)
        group = hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=tracking, referenced_segment=segment, **facts
        )
    # TID 1501 and 1411 are extensible; what the numbers rest on belongs beside them.
    for comment in comments:
        group[0].ContentSequence.append(
            hd.sr.TextContentItem(concept(COMMENT), comment, relationship_type=hd.sr.RelationshipTypeValues.CONTAINS)
        )
    return group


def _segment_of(segments: Any | None, finding: tuple[str, str, str]) -> tuple[Any | None, int]:
    """The segment of the finding's kind and its number, (None, 0) where there is none."""
    for item in segments.SegmentSequence if segments is not None else ():
        if item.SegmentedPropertyTypeCodeSequence[0].CodeValue == finding[1]:
            return item, int(item.SegmentNumber)
    return None, 0


def _measurement(measure: Measure) -> Any:
    """The measure with its interval as measurement uncertainty (TID 310), in the measure's own unit."""
    hd = highdicom()
    entry = quantity(measure.id)
    unit = concept(unit_code(entry.unit))
    item = hd.sr.Measurement(name=concept(quantity_code(entry)), value=_rounded(measure.value), unit=unit)
    if measure.low is not None and measure.high is not None:
        for name, width in ((UPPER, measure.high - measure.value), (LOWER, measure.value - measure.low)):
            side = hd.sr.NumContentItem(
                concept(name), _rounded(max(width, 0.0)), unit, relationship_type=hd.sr.RelationshipTypeValues.HAS_PROPERTIES
            )
            item[0].ContentSequence = [*item[0].get("ContentSequence", []), side]
    return item


def _rounded(value: float) -> float:
    """Six digits: more than is known, and short enough for a decimal string."""
    return float(f"{value:.6g}")


def _private_scheme() -> Any:
    return highdicom().coding_schemes.CodingSchemeIdentificationItem(
        designator=PRIVATE_SCHEME, name="Quantities of aneuflow", responsible_organization=MANUFACTURER, version=__version__
    )


def _stand_in(study: Dataset) -> Dataset:
    """The study as a dataset of its own, for a report that has no images to refer to."""
    dataset = deepcopy(study)
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.SeriesInstanceUID = "1.2.840.10008.5.1.4.1.1.7", new_uid(), new_uid()
    dataset.Modality = "OT"
    return dataset
