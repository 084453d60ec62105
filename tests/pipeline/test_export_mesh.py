"""A case's lumen for other solvers: filled to its volume, every boundary named, and read back by another program."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import meshio
import numpy as np
import pytest
import pyvista
import trimesh

from aneuflow.case import store
from aneuflow.case.folder import CaseFolder
from aneuflow.geometry.volume_mesh import VolumeMeshSettings
from aneuflow.numerics import surface as sf
from aneuflow.pipeline.export_mesh import MeshFacts, export_named_stl, export_volume_mesh
from aneuflow.pipeline.run import assess
from aneuflow.types import Surface
from tests.cli.run import run
from tests.sac_shapes import straight
from tests.shapes import tube

NAMES = ("wall", "inlet-1", "outlet-2")


def _case(folder: Path, surface: Surface) -> Path:
    trimesh.Trimesh(surface.points, surface.triangles, process=False).export(folder / "vessel.stl")
    assess(folder / "vessel.stl", folder / "case", {"input": {"units": "mm"}}, last="model")
    return folder / "case"


@pytest.fixture(scope="module")
def tube_case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _case(tmp_path_factory.mktemp("tube"), tube(radius=1.5, length=6.0, edge=0.5))


def test_an_stl_has_a_solid_for_each_boundary(tube_case: Path, tmp_path: Path) -> None:
    assert export_named_stl(tube_case, tmp_path / "lumen.stl", unit="m", extended=False) == NAMES
    text = (tmp_path / "lumen.stl").read_text()
    assert [line.split()[1] for line in text.splitlines() if line.startswith("solid")] == list(NAMES)
    lumen = store.read_model(tube_case / "model").lumen.surface
    solid = trimesh.load_mesh(tmp_path / "lumen.stl")
    assert 1e9 * solid.volume == pytest.approx(sf.signed_volume(lumen.points, lumen.triangles), rel=1e-4)


def _lumen_volume(case: Path, extended: bool) -> float:
    model = store.read_model(CaseFolder(case).stage_folder("model"))
    surface = (model.extended if extended else model.lumen).surface
    return sf.signed_volume(surface.points, surface.triangles)


def _checked(case: Path, folder: Path, settings: VolumeMeshSettings, extended: bool) -> MeshFacts:
    """Write both kinds, read them back by meshio and VTK, compare with the lumen and with each other."""
    facts = export_volume_mesh(case, folder / "lumen.msh", folder / "complete", settings, extended=extended)
    assert facts.volume_mm3 == pytest.approx(_lumen_volume(case, extended), rel=0.01)
    mesh = meshio.read(folder / "lumen.msh")
    assert set(mesh.field_data) == {*facts.names, "lumen"}
    cells = {kind: mesh.cells_dict[kind] for kind in ("triangle", "tetra")}
    groups = mesh.cell_data_dict["gmsh:physical"]
    assert (groups["tetra"] == mesh.field_data["lumen"][0]).all()
    a, b, c, d = (mesh.points[cells["tetra"][:, k]] for k in range(4))
    volume = np.einsum("ij,ij->i", np.cross(b - a, c - a), d - a) / 6
    assert volume.min() > 0 and volume.sum() == pytest.approx(facts.volume_mm3, rel=1e-6)
    grid = pyvista.read(folder / "complete" / "mesh-complete.mesh.vtu")
    np.testing.assert_array_equal(grid["GlobalNodeID"], np.arange(1, facts.points + 1))
    for name in facts.names:
        part = pyvista.read(folder / "complete" / "mesh-surfaces" / f"{name}.vtp")
        faces = cells["triangle"][groups["triangle"] == mesh.field_data[name][0]]
        assert part.n_cells == len(faces) > 0
        np.testing.assert_allclose(grid.points[part["GlobalNodeID"] - 1], part.points, atol=1e-6)
        owner = cells["tetra"][part["GlobalElementID"] - 1]
        corners = part["GlobalNodeID"][part.faces.reshape(-1, 4)[:, 1:]] - 1
        assert (corners[:, :, None] == owner[:, None, :]).any(axis=2).all()
    # Every face of the boundary is named: the whole of it is closed.
    assert sf.is_closed(cells["triangle"])
    return facts


def test_a_tube_is_filled_and_read_back(tube_case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    facts = _checked(tube_case, tmp_path, VolumeMeshSettings(edge_mm=0.7, layers=2), extended=False)
    assert facts.names == NAMES and facts.least_mean_ratio > 0.01 and facts.least_angle_deg > 1
    assert not list((tmp_path / "here").iterdir())


@pytest.mark.skipif(shutil.which("gmshToFoam") is None, reason="OpenFOAM is not installed")
def test_openfoam_reads_the_mesh_with_its_boundaries_and_finds_no_fault(tube_case: Path, tmp_path: Path) -> None:
    settings = VolumeMeshSettings(edge_mm=0.7, layers=2)
    facts = export_volume_mesh(tube_case, tmp_path / "lumen.msh", None, settings, unit="m", extended=False)
    (tmp_path / "system").mkdir()
    head = "FoamFile {{ version 2.0; format ascii; class dictionary; object {}; }}\n"
    for name, body in (
        ("controlDict", "startFrom startTime; startTime 0; endTime 1; deltaT 1; writeControl timeStep; writeInterval 1;"),
        ("fvSchemes", "gradSchemes { default Gauss linear; } divSchemes { } laplacianSchemes { }"),
        ("fvSolution", ""),
    ):
        (tmp_path / "system" / name).write_text(head.format(name) + body)
    said = "".join(_openfoam(tmp_path, *command) for command in (("gmshToFoam", "lumen.msh"), ("checkMesh",)))
    assert "Mesh OK" in said and "Failed" not in said
    assert f"tetrahedra:    {facts.tetrahedra}" in said
    boundary = (tmp_path / "constant/polyMesh/boundary").read_text()
    assert [name for name in (*NAMES, "defaultFaces") if name in boundary] == list(NAMES)


def _openfoam(case: Path, *command: str) -> str:
    # Debian's OpenFOAM lies there; others set the variable themselves.
    environment = {"WM_PROJECT_DIR": "/usr/share/openfoam", **os.environ}
    return subprocess.run(command, cwd=case, env=environment, capture_output=True, text=True, check=True).stdout


def test_mesh_is_parted_for_fenics_as_the_docs_say(tube_case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("h5py")
    settings = VolumeMeshSettings(edge_mm=0.7, layers=0)
    facts = export_volume_mesh(tube_case, tmp_path / "lumen.msh", None, settings, extended=False)
    text = (Path(__file__).parents[2] / "docs/meshes.md").read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    exec(text.split("```python\n")[1].split("```")[0], {})
    volume, boundary = meshio.read(tmp_path / "lumen.xdmf"), meshio.read(tmp_path / "boundaries.xdmf")
    assert set(volume.cells_dict) == {"tetra"} and len(volume.cells_dict["tetra"]) == facts.tetrahedra
    assert set(boundary.cells_dict) == {"triangle"} and sf.is_closed(boundary.cells_dict["triangle"])
    numbers = meshio.read(tmp_path / "lumen.msh").field_data
    assert set(boundary.cell_data["group"][0].tolist()) == {numbers[name][0] for name in NAMES}


@pytest.mark.slow
def test_a_vessel_with_a_sac_and_its_extensions_is_filled(tmp_path: Path) -> None:
    lumen, _ = straight(sac=(3.0, 2.4))
    case = _case(tmp_path, lumen.surface)
    facts = _checked(case, tmp_path, VolumeMeshSettings(edge_mm=0.4, layers=3), extended=True)
    assert facts.least_mean_ratio > 0.01 and facts.least_angle_deg > 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--msh", "a.msh", "--edge", "9"], "--edge 9"),
        (["--stl", "a.stl", "--unit", "ft"], "ft"),
        ([], "Nothing to export"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    tube_case: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = run(capsys, "export", str(tube_case), *options)
    assert code == 2 and said in error
