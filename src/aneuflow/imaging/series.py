"""Which series of a study is the angiogram, and which of its planes form one volume."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aneuflow.errors import InputError
from aneuflow.imaging.dicom_files import Opener
from aneuflow.imaging.frames import Frame, SeriesTraits, read_frames

_ANGIOGRAPHIC = frozenset(
    {"CTA", "MRA", "ANGIO", "ANGIOGRAPHY", "ANGIOGRAM", "TOF", "3DRA", "ROTATION", "ROTATIONAL"}
    | {"ARTERIAL", "ARTERY", "CAROTID", "WILLIS", "COW", "DSA", "XPERCT", "DYNACT"}
)
_VENOUS = frozenset(["VENOUS", "VEIN", "VEINS", "MRV", "CTV"])
_PROJECTED = frozenset(["MIP", "MPR", "VRT", "PROJECTION", "IMAGE_MIP"])
_LOCALIZER = frozenset(["LOCALIZER", "SCOUT", "TOPOGRAM", "SURVIEW"])
_MAPS = frozenset(["PERFUSION", "RCBF", "RCBV", "MTT", "TTP", "TMAX"])
# A stack with less than this share of its series' planes is no volume with stray planes, but a mixture.
_MAIN_STACK_SHARE = 0.8


@dataclass(frozen=True, eq=False)
class Series:
    """One DICOM series: its traits, its planes and what it scores as an angiogram, by reason."""

    traits: SeriesTraits
    frames: tuple[Frame, ...]
    points: Mapping[str, float]

    @property
    def score(self) -> float:
        return sum(self.points.values())


def choose_series(openers: Sequence[Opener], where: str) -> tuple[Series, Sequence[Series], int]:
    """The series most like an angiogram, the others that were candidates, and how many files could not be read.

    Points: words of angiography in the description, contrast agent, thin and many slices, a full matrix; against it
    veins, projections, reformats, perfusion maps and a bone kernel. Localizers, images without a place in the patient and
    such that are not CT, MR or 3-D XA are no candidates. Raises InputError where none is left.
    """
    groups: dict[str, tuple[SeriesTraits, list[Frame]]] = {}
    damaged = 0
    for opener in openers:
        try:
            found = read_frames(opener)
        except ValueError:
            damaged += 1
            continue
        if found is None:
            continue
        key, traits, frames = found
        if _LOCALIZER & (set(traits.image_type) | traits.key_words):
            key += "/localizer"
        for frame in frames:
            groups.setdefault(key if frame.placed else f"{key}/unplaced", (traits, []))[1].append(frame)
    if not groups:
        raise InputError(_nothing(where, damaged))
    volumes = [
        Series(traits, tuple(frames), _points(traits, frames))
        for traits, frames in groups.values()
        if _is_volume(traits, frames)
    ]
    if not volumes:
        raise InputError(_no_volume(where, groups))
    volumes.sort(key=lambda series: (-series.score, -len(series.frames)))
    return volumes[0], volumes[1:], damaged


def main_stack(frames: Sequence[Frame], where: str) -> tuple[list[Frame], int]:
    """The planes of one matrix, spacing, thickness, orientation and echo that make up a series; how many stray ones were left.

    Raises InputError where no such stack holds four fifths of the series.
    """
    stacks: dict[object, list[Frame]] = defaultdict(list)
    for frame in frames:
        assert frame.row is not None and frame.column is not None and frame.spacing is not None
        orientation = tuple(round(float(x), 2) + 0.0 for x in (*frame.row, *frame.column))
        spacing = tuple(round(x, 3) for x in frame.spacing)
        stacks[(frame.shape, orientation, spacing, round(frame.thickness_mm, 2), frame.echo)].append(frame)
    largest = max(stacks.values(), key=len)
    if len(largest) < _MAIN_STACK_SHARE * len(frames):
        sizes = ", ".join(f"{len(stack)} of {stack[0].thickness_mm:g} mm" for stack in list(stacks.values())[:6])
        raise InputError(
            f"{where} mixes {len(stacks)} stacks of slices in one series ({sizes}; they differ in thickness, direction, "
            "matrix, echo or time); give the files of one stack alone."
        )
    return largest, len(frames) - len(largest)


def _is_volume(traits: SeriesTraits, frames: Sequence[Frame]) -> bool:
    return (
        traits.modality in {"CT", "MR", "XA"}
        and all(frame.placed for frame in frames)
        and not _LOCALIZER & (set(traits.image_type) | traits.key_words)
    )


def _points(traits: SeriesTraits, frames: Sequence[Frame]) -> dict[str, float]:
    """What speaks for and against the series; the text catalogue words the reasons under `series`."""
    words = traits.key_words | set(traits.image_type)
    thickness = frames[0].thickness_mm or 99.0
    rules = {
        "angiographic": (4.0, bool(words & _ANGIOGRAPHIC) or traits.angiographic),
        "contrast": (2.0, traits.contrast),
        "thin": (2.0, thickness <= 1.0),
        "very_thin": (1.0, thickness <= 0.7),
        "many": (2.0, len(frames) >= 60),
        "matrix": (1.0, min(frames[0].shape) >= 256),
        "venous": (-3.0, bool(words & _VENOUS)),
        "projected": (-6.0, bool(words & _PROJECTED)),
        "map": (-6.0, bool(words & _MAPS)),
        "bone": (-2.0, "BONE" in words),
        "derived": (-1.0, "DERIVED" in words),
        "few": (-8.0, len(frames) < 10),
    }
    return {reason: points for reason, (points, holds) in rules.items() if holds}


def _nothing(where: str, damaged: int) -> str:
    if damaged:
        return f"{where} holds no readable DICOM image ({damaged} damaged or cut off); copy or export it again."
    return f"{where} is not an image this program reads; give a NIfTI, MHA, NRRD or DICOM file, a DICOM folder or a zip of one."


def _no_volume(where: str, groups: dict[str, tuple[SeriesTraits, list[Frame]]]) -> str:
    traits, frames = max(groups.values(), key=lambda group: len(group[1]))
    if traits.photometric.startswith(("RGB", "YBR", "PALETTE")):
        return f"{where} holds color pictures ({traits.photometric}), not grey values; give the angiogram they were made from."
    if traits.modality in {"XA", "RF", "DX", "CR"}:
        return (
            f"{where} is a 2-D X-ray run of {len(frames)} frames: a projection without depth shows where flow goes, but no "
            "3-D lumen can be made from it; give the rotational 3-D angiogram (3DRA), a CTA or an MRA of this patient."
        )
    if _LOCALIZER & (set(traits.image_type) | traits.key_words):
        return f"{where} holds only localizer images; give the angiographic series."
    if traits.modality not in {"CT", "MR", "XA"}:
        return (
            f"{where} holds no CT, MR or 3-D X-ray angiogram (modality {_code(traits.modality)}); give the angiographic series."
        )
    return f"{where} gives no position, orientation or spacing for its slices; export it from the scanner as axial slices."


def _code(modality: str) -> str:
    return modality if len(modality) <= 3 and modality.isalpha() and modality.isupper() else "not given"
