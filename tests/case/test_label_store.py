"""Readers' labels: back as painted, apart from each other, and never those of another wall."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkIOXML import vtkXMLPolyDataReader

from aneuflow.case import store
from aneuflow.case.files import PolyData, write_polydata
from aneuflow.case.label_store import CLASSES, WallLabels, label_file, read_labels, write_labels
from aneuflow.errors import InputError
from tests.case.test_store import model

LABEL = np.array([0, 2, 1, 3], np.uint8)


@pytest.fixture
def case(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    store.write_model(tmp_path / "model", model(with_aneurysm=True))
    return tmp_path


def test_each_readers_labels_come_back_as_painted(case: Path) -> None:
    assert read_labels(case) == {}
    write_labels(case, "Anna", WallLabels(LABEL))
    write_labels(case, "b-2", WallLabels(LABEL[::-1].copy(), ("bleb", "low_shear", "red_wall")))
    write_labels(case, "Anna", WallLabels(np.minimum(LABEL, 1)))
    found = read_labels(case)
    assert list(found) == ["Anna", "b-2"]
    assert found["Anna"].classes == CLASSES and found["b-2"].classes == ("bleb", "low_shear", "red_wall")
    np.testing.assert_array_equal(found["Anna"].label, [0, 1, 1, 1])
    np.testing.assert_array_equal(found["b-2"].label, [3, 1, 2, 0])
    assert sorted(file.name for file in (case / "risk-labels").iterdir()) == ["Anna.vtp", "b-2.vtp"]


def test_the_file_is_the_lumen_with_two_arrays_that_anyone_can_read(case: Path) -> None:
    write_labels(case, "Anna", WallLabels(LABEL))
    reader = vtkXMLPolyDataReader()
    reader.SetFileName(str(case / "risk-labels" / "Anna.vtp"))
    reader.Update()
    data, lumen = reader.GetOutput(), PolyData(case / "model" / "lumen.vtp")
    np.testing.assert_array_equal(vtk_to_numpy(data.GetPoints().GetData()), lumen.points)
    np.testing.assert_array_equal(vtk_to_numpy(data.GetPointData().GetArray("region")), lumen.point_arrays["region"])
    label = vtk_to_numpy(data.GetPointData().GetArray("label"))
    assert label.dtype == np.uint8 and label.tolist() == LABEL.tolist()
    classes = data.GetFieldData().GetAbstractArray("classes")
    assert [classes.GetValue(i) for i in range(classes.GetNumberOfValues())] == list(CLASSES)


@pytest.mark.parametrize("name", ["", "a/b", "../x", "Anna B", "A" * 33, "名", "a.b", "a\n"])
def test_a_name_no_file_can_bear_is_refused(case: Path, name: str) -> None:
    with pytest.raises(InputError, match=re.escape(repr(name))):
        write_labels(case, name, WallLabels(LABEL))
    assert not (case / "risk-labels").exists()


def test_labels_of_another_wall_are_refused(case: Path) -> None:
    write_labels(case, "Anna", WallLabels(LABEL))
    lumen = case / "model" / "lumen.vtp"
    data = PolyData(lumen)
    moved = data.points + np.array([0.0, 0.0, 1e-6])
    write_polydata(lumen, moved, triangles=data.triangles, point_arrays=data.point_arrays, cell_arrays=data.cell_arrays)
    with pytest.raises(InputError, match=r"Anna\.vtp was painted on another surface"):
        read_labels(case)
    write_labels(case, "Anna", WallLabels(LABEL))
    np.testing.assert_array_equal(read_labels(case)["Anna"].label, LABEL)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (WallLabels(LABEL, ("low_shear",)), "label 3 where 1 classes"),
        (WallLabels(LABEL, ("a", "b", "a")), "no point array label"),
        (WallLabels(LABEL, ()), "no point array label"),
        (WallLabels(LABEL.astype(np.float64), CLASSES), "no point array label"),
    ],
)
def test_labels_that_do_not_say_what_they_are_are_refused(case: Path, labels: WallLabels, said: str) -> None:
    write_labels(case, "Anna", labels)
    with pytest.raises(InputError, match=said):
        read_labels(case)


def test_a_file_that_is_no_surface_is_refused(case: Path) -> None:
    (case / "risk-labels").mkdir()
    label_file(case, "Anna").write_bytes(b"<VTKFile")
    with pytest.raises(InputError, match=r"Anna\.vtp cannot be read"):
        read_labels(case)
