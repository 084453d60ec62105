"""DICOM made to hurt: sizes are foreseen, and every attempt ends in a sentence, soon and without memory."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from aneuflow.errors import AneuflowError, InputError, ResourceError
from aneuflow.imaging import read_image
from tests.imaging.dicom_series import slice_writer

DEFLATED = "1.2.840.10008.1.2.1.99"


def deflate(path: Path, body: bytes) -> Path:
    """The file with its data set replaced by `body`, deflated."""
    dataset = pydicom.dcmread(path)
    meta = dataset.file_meta
    meta.TransferSyntaxUID = DEFLATED
    with path.open("wb") as file:
        file.write(bytes(128) + b"DICM")
        pydicom.filewriter.write_file_meta_info(file, meta)
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        file.write(packer.compress(body) + packer.flush())
    return path


def test_a_deflated_bomb_is_refused_before_it_is_inflated(tmp_path, monkeypatch):
    path = slice_writer(tmp_path / "s")("a.dcm", 0, (0, 0, 0))
    with path.open("rb") as file:
        file.seek(144 + pydicom.dcmread(path).file_meta.FileMetaInformationGroupLength)
        body = file.read()
    read_image_of_deflated = deflate(path, body)  # a harmless one is read as far as its single slice goes
    with pytest.raises(InputError, match="only 1 slice"):
        read_image(read_image_of_deflated)
    monkeypatch.setattr("aneuflow.imaging.dicom_files.MAX_INFLATED_BYTES", 50_000_000)
    deflate(path, struct.pack("<HH2sHI", 0x0009, 0x1010, b"OB", 0, 60_000_000) + bytes(60_000_000))
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match="no readable DICOM image"):
        read_image(path)


def test_a_matrix_beyond_memory_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    write = slice_writer(tmp_path / "s")
    for k in range(8):
        path = write(f"{k}.dcm", k, (0, 0, k))
        dataset = pydicom.dcmread(path)
        dataset.Rows = dataset.Columns = 65535
        dataset.save_as(path)
    with pytest.raises(InputError, match="claims 65535 x 65535 x 8 voxels"):
        read_image(path.parent)
    for file in path.parent.iterdir():
        dataset = pydicom.dcmread(file)
        dataset.Rows = dataset.Columns = 15000
        dataset.save_as(file)
    monkeypatch.setattr("aneuflow.imaging.checks._free_bytes", lambda: 4.0 * 2**30)
    with pytest.raises(ResourceError, match=r"needs 13\.4 GiB of memory, 4\.0 GiB are free"):
        read_image(path.parent)


def test_an_archive_entry_larger_than_memory_is_refused(tmp_path, monkeypatch):
    path = slice_writer(tmp_path / "s")("a.dcm", 0, (0, 0, 0))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(path, "a.dcm")
    monkeypatch.setattr("aneuflow.imaging.checks._free_bytes", lambda: 500.0)
    with pytest.raises(ResourceError, match="are free"):
        read_image(tmp_path / "a.zip")


def test_an_archive_that_understates_its_sizes_gives_no_more_than_it_states(tmp_path):
    """The entry says 100 bytes but inflates to 50 MB."""
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.dcm", bytes(50_000_000))
    content = archive.read_bytes().replace(struct.pack("<I", 50_000_000), struct.pack("<I", 100))
    archive.write_bytes(content)
    with pytest.raises(InputError, match=r"no readable DICOM image|not an image"):
        read_image(archive)


def test_an_encrypted_archive_is_named(tmp_path):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.dcm", bytes(1000))
    content = bytearray(archive.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    with pytest.raises(InputError, match="encrypted zip"):
        read_image(archive)


def test_sequences_nested_without_end_are_one_damaged_file(tmp_path):
    path = slice_writer(tmp_path / "s")("a.dcm", 0, (0, 0, 0))
    whole = path.read_bytes()
    opening = struct.pack("<HH2sHI", 0x5200, 0x9230, b"SQ", 0, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    place = whole.index(struct.pack("<HH2s", 0x7FE0, 0x0010, b"OW"))
    path.write_bytes(whole[:place] + opening * 20_000)
    with pytest.raises(AneuflowError) as caught:
        read_image(path)
    assert str(caught.value).endswith(".")


def test_an_element_longer_than_the_file_is_one_damaged_file(tmp_path):
    path = slice_writer(tmp_path / "s")("a.dcm", 0, (0, 0, 0))
    whole = bytearray(path.read_bytes())
    place = whole.index(struct.pack("<HH2s", 0x0020, 0x0032, b"DS"))
    whole[place + 6 : place + 8] = b"\xff\xff"
    path.write_bytes(whole)
    with pytest.raises(AneuflowError):
        read_image(path)


def test_values_of_the_wrong_kind_never_end_in_a_traceback(tmp_path):
    for number, (name, value) in enumerate(
        [("PixelSpacing", "a\\b"), ("ImagePositionPatient", "1\\2"), ("RescaleSlope", "nan"), ("SliceThickness", "thin")]
    ):
        write = slice_writer(tmp_path / str(number))
        for k in range(5):
            path = write(f"{k}.dcm", k, (0, 0, k))
            dataset = pydicom.dcmread(path)
            raw = Dataset()
            element = dataset[name]
            del dataset[name]
            raw.add_new(element.tag, "LO", value)
            dataset[element.tag] = raw[element.tag]
            dataset.save_as(path)
        with pytest.raises(AneuflowError):
            read_image(path.parent)


def test_links_and_pipes_in_a_folder_are_left_alone(tmp_path):
    import os

    write = slice_writer(tmp_path / "s")
    for k in range(5):
        write(f"{k}.dcm", k, (0, 0, k))
    (tmp_path / "s/loop").symlink_to(tmp_path / "s", target_is_directory=True)
    (tmp_path / "s/broken").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "s/pipe")
    assert read_image(tmp_path / "s").values.shape == (16, 20, 5)
    assert np.isfinite(read_image(tmp_path / "s").values).all()
