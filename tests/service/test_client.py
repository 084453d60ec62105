"""The Python client and `aneuflow client` against a real server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aneuflow.errors import InputError, ResourceError
from aneuflow.service import client as module
from aneuflow.service.client import Client, Refused, files_to_send, new_token, suffix_of
from tests.cli.run import run
from tests.service.running import OWN_PASSWORD, Person, Server

NO_SURFACE = b"solid nothing\nendsolid\n"


@pytest.fixture(scope="module")
def client(server: Server, administrator: Person) -> Client:
    return Client(server.address, new_token(server.address, "administrator", OWN_PASSWORD, "test", 1.0))


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.NII.GZ", ".nii.gz"), ("IM0001", ""), ("1.2.840.1", ""), ("scan.dcm", ".dcm"), ("DICOMDIR", None), ("notes.txt", None)],
)
def test_the_suffix_is_all_that_is_told_of_a_name(name: str, suffix: str | None) -> None:
    assert suffix_of(Path(name)) == suffix


def test_a_folder_is_sent_as_one_stream_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, content in (("b", b"wor"), ("a", b"hello "), ("c.txt", b"left out"), ("d", b"ld")):
        (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(module, "PIECE_BYTES", 4)
    files = files_to_send(tmp_path)
    assert b"".join(module._piece(files, at) for at in range(0, 11, 4)) == b"hello world"
    assert module._piece(files, 5) == b" wor"
    with pytest.raises(InputError, match="holds no image"):
        (tmp_path / "empty").mkdir()
        files_to_send(tmp_path / "empty")


def test_an_answer_that_is_lost_on_the_way_loses_no_byte(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "Doe^Jane.stl"
    file.write_bytes(NO_SURFACE)
    monkeypatch.setattr(module, "PIECE_BYTES", 10)
    cut = Client(client.address, client._token)
    monkeypatch.setattr(cut, "ask", _losing_the_second_answer(client.ask))
    case = cut.upload(file, "Lost answer")
    assert [found["id"] for found in client.cases(search="lost answer")] == [case]


def _losing_the_second_answer(ask: Callable[..., Any]) -> Callable[..., Any]:
    sent = []

    def asked(method: str, path: str, body: Any = None) -> Any:
        answer = ask(method, path, body)
        if method == "PATCH":
            sent.append(path)
            if len(sent) == 2:
                raise ResourceError("The connection broke.")
        return answer

    return asked


def test_what_the_server_refuses_is_said_in_its_sentence(client: Client) -> None:
    with pytest.raises(Refused, match="no such case"):
        client.case("nothing")
    with pytest.raises(Refused, match="token is unknown"):
        next(Client(client.address, "aneuflow_guess").cases())
    with pytest.raises(ResourceError, match="does not answer"):
        Client("http://127.0.0.1:9", "x").projects()


def test_the_command_line_lists_and_refuses(
    client: Client, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("ANEUFLOW_TOKEN", raising=False)
    server = ("--server", client.address)
    code, _, err = run(capsys, "client", "list", *server)
    assert code == 2 and "ANEUFLOW_TOKEN" in err
    monkeypatch.setenv("ANEUFLOW_PASSWORD", OWN_PASSWORD)
    code, token, _ = run(capsys, "client", "token", "administrator", *server)
    monkeypatch.setenv("ANEUFLOW_TOKEN", token.strip())
    (tmp_path / "nothing.stl").write_bytes(NO_SURFACE)
    code, case, _ = run(capsys, "client", "upload", str(tmp_path / "nothing.stl"), "--label", "From a script", *server)
    assert code == 0
    code, out, _ = run(capsys, "client", "list", "--search", "script", *server)
    assert out.split("\t")[:2] == [case.strip(), "From a script"]
    code, _, err = run(capsys, "client", "upload", str(tmp_path), "--label", "x", "--waveform", "a.csv", *server)
    assert code == 2 and "boundary.waveform cannot name a file" in err
    code, _, err = run(capsys, "client", "upload", str(tmp_path), "--label", "x", "--model", "a.onnx", *server)
    assert code == 2 and "--model" in err
    code, _, err = run(capsys, "client", "compare", case.strip(), case.strip(), *server)
    assert code == 2 and "no model of the vessel" in err


def test_the_command_line_changes_a_case_and_tells_its_history(
    client: Client, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ANEUFLOW_TOKEN", client._token)
    (tmp_path / "nothing.stl").write_bytes(NO_SURFACE)
    case, server = client.upload(tmp_path / "nothing.stl", "To be renamed"), ("--server", client.address)
    assert run(capsys, "client", "change", case, "--label", "Renamed", "--priority", "urgent", *server)[0] == 0
    assert (client.case(case)["label"], client.case(case)["priority"]) == ("Renamed", 1)
    assert run(capsys, "client", "change", case, *server)[0] == 2
    client.wait(case, 120)
    code, out, _ = run(capsys, "client", "history", case, *server)
    lines = [line.split("\t") for line in out.splitlines()]
    assert code == 0 and lines[0][1:3] == ["intake", "failed"]
    assert ["administrator", "change_case", "200"] in [line[1:] for line in lines]
    assert run(capsys, "client", "identity", case, *server)[:2] == (0, ""), "a surface names no patient"
    assert run(capsys, "client", "delete", case, *server)[0] == 0
    with pytest.raises(Refused, match="no such case"):
        client.case(case)


def test_records_named_on_the_command_line_reach_the_server_as_curves(
    client: Client, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ANEUFLOW_TOKEN", client._token)
    (tmp_path / "nothing.stl").write_bytes(NO_SURFACE)
    (tmp_path / "left.csv").write_text("time_s,flow_ml_s\n0,2\n0.2,5\n0.5,3\n0.9,2\n")
    sent: dict[str, Any] = {}
    monkeypatch.setattr(Client, "compute", lambda self, case, settings: sent.update(settings))
    given = ("--doppler", f"1={tmp_path / 'left.csv'}", "--doppler-velocity", "mean", "--server", client.address)
    assert run(capsys, "client", "compute", "a-case", *given)[0] == 0
    assert sent["boundary"]["doppler_velocity"] == "mean"
    (record,) = sent["boundary"]["doppler"]
    assert record["cap"] == 1 and record["flow"][0]["values"] == [2, 5, 3, 2]
    code, case, _ = run(capsys, "client", "upload", str(tmp_path / "nothing.stl"), "--label", "With a record", *given)
    assert code == 0 and client.case(case.strip())["label"] == "With a record"
    assert run(capsys, "client", "compute", "a-case", "--doppler", "auto", "--server", client.address)[0] == 0
    assert sent["boundary"]["doppler"] == []
    code, _, err = run(capsys, "client", "compute", "a-case", "--doppler", "none.csv", "--server", client.address)
    assert code == 2 and "none.csv cannot be read" in err
