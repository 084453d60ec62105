"""Every image file at hand ends in its geometry or its sentence; a file without an entry here fails."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.errors import InputError
from aneuflow.imaging import read_image
from tests.conftest import shared_data

GEOMETRY = {
    "niivue/chris_MRA.nii.gz": ((200, 256, 120), (0.521, 0.521, 0.65)),
    "niivue/CT_AVM.nii.gz": ((256, 242, 154), (0.720, 0.721, 1.0)),
    "niivue/CT_pitch.nii.gz": ((175, 248, 58), (0.812, 0.812, 2.397)),
    "niivue/shear.nii.gz": ((306, 422, 54), (0.482, 0.482, 2.371)),
    "topcow/dummy_mra.mha": ((140, 123, 34), (0.297, 0.297, 0.6)),
    "topcow/dummy_cta.mha": ((94, 81, 32), (0.439, 0.439, 0.7)),
    "topcow/topcow_mr_roi_003.nii.gz": ((146, 121, 35), (0.297, 0.297, 0.6)),
    "topcow/topcow_mr_roi_014.nii.gz": ((130, 125, 32), (0.297, 0.297, 0.6)),
    "topcow/topcow_mr_roi_023.nii.gz": ((168, 122, 43), (0.297, 0.297, 0.6)),
    "topcow/topcow_ct_roi_003.nii.gz": ((86, 69, 30), (0.504, 0.504, 0.75)),
    "topcow/topcow_ct_roi_014.nii.gz": ((74, 59, 31), (0.553, 0.553, 0.75)),
    "topcow/topcow_ct_roi_023.nii.gz": ((113, 81, 31), (0.420, 0.420, 0.7)),
    "topcow/LPS_ACA_flipped.nii.gz": ((86, 69, 30), (0.504, 0.504, 0.75)),
    "topcow/LPS_ICA_PCA_flipped.nii.gz": ((168, 122, 43), (0.297, 0.297, 0.6)),
}
SENTENCE = {
    "niivue/ct_perfusion.nii.gz": "stores colors",
    "vtk/carotid.vtk.gz": "not an image this program reads",
    "dicom/ge_head_ct_gantry_tilt.zip": r"mixes 2 stacks of slices in one series \(14 of 4 mm, 14 of 7 mm",
    "dicom/CT_small.dcm": "only 1 slice",
    "dicom/XA1_J2KR.dcm": "2-D X-ray run of 1 frames: a projection without depth",
    "dicom/XA1_JPLL.dcm": "2-D X-ray run of 1 frames: a projection without depth",
    "dicom/xa_cine_96frames_jpeg_0002.dcm": "2-D X-ray run of 96 frames: a projection without depth",
    "dicom/eCT_Supplemental.dcm": "only 2 slice",
    "dicom/emri_small.dcm": "gives no position, orientation or spacing",
    "dicom/emri_small_jpeg_2k_lossless.dcm": "gives no position, orientation or spacing",
}


@pytest.mark.parametrize("name", GEOMETRY)
def test_geometry(name):
    shape, spacing = GEOMETRY[name]
    volume = read_image(shared_data(f"imaging/{name}"))
    assert volume.values.shape == shape
    np.testing.assert_allclose(np.linalg.norm(volume.affine[:3, :3], axis=0), spacing, atol=1.5e-3)
    assert np.isfinite(volume.values).all()


@pytest.mark.parametrize("name", SENTENCE)
def test_sentence(name):
    with pytest.raises(InputError, match=SENTENCE[name]) as caught:
        read_image(shared_data(f"imaging/{name}"))
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_no_file_is_left_out():
    root = shared_data("imaging")
    files = {
        str(file.relative_to(root))
        for file in root.rglob("*")
        if file.is_file() and "LICENSES" not in file.parts and file.name != "README.md"
    }
    assert files == GEOMETRY.keys() | SENTENCE.keys()
