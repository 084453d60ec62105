"""A Flower server and its sites as processes of their own on this machine, over TLS, sites known by their keys."""

from __future__ import annotations

import datetime
import ipaddress
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

APP = Path(__file__).parents[2] / "deploy" / "federated"
SOURCES = Path(__file__).parents[2] / "src"
LONGEST_S = 2400.0


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def written_key(key: ec.EllipticCurvePrivateKey, path: Path, form: serialization.PrivateFormat) -> Path:
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return path


def certificates(folder: Path) -> None:
    """ca.pem, server.pem and server.key for 127.0.0.1."""
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]) for name in ("test authority", "127.0.0.1")]
    authority, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    for name, key, is_authority in ((names[0], authority, True), (names[1], own, False)):
        made = (
            x509.CertificateBuilder().subject_name(name).issuer_name(names[0]).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
            .sign(authority, hashes.SHA256())
        )  # fmt: skip
        (folder / ("ca.pem" if is_authority else "server.pem")).write_bytes(made.public_bytes(serialization.Encoding.PEM))
    written_key(own, folder / "server.key", serialization.PrivateFormat.PKCS8)


@dataclass
class Network:
    """A server and its sites; `nodes` are the sites' processes."""

    folder: Path
    environment: dict[str, str]
    nodes: list[subprocess.Popen[bytes]]

    def flwr(self, *arguments: str) -> str:
        done = subprocess.run(
            ["flwr", *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def sent(self, site: int) -> list[dict[str, object]]:
        file = self.folder / f"sent-{site}" / "sent.jsonl"
        return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []

    def trained(self, settings: str = "", meanwhile: Callable[[], None] = lambda: None) -> Path:
        """The folder that a run leaves; settings: of the run, beside output and timeout."""
        self.flwr("run", str(APP), "test", "--run-config", f'output="{self.folder / "model"}" timeout-s=180.0 {settings}')
        end = time.monotonic() + LONGEST_S
        while not any((self.folder / "model").glob("*.json")) and not (self.folder / "model" / "refused.txt").exists():
            assert time.monotonic() < end, (self.folder / "server.log").read_text("utf-8")[-3000:]
            meanwhile()
            time.sleep(1.0)
        time.sleep(2.0)
        return self.folder / "model"


@contextmanager
def running_network(tmp_path: Path, nodes: Sequence[str]) -> Iterator[Network]:
    """A server and a site for each of `nodes`, the settings of the site's node; its record is in sent-0, sent-1 ..."""
    certificates(tmp_path)
    port, *own = free_ports(1 + len(nodes))
    tools = str(Path(sys.executable).parent)
    environment = {
        **os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "FLWR_HOME": str(tmp_path / "home"),
        "FLWR_TELEMETRY_ENABLED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(SOURCES),
    }  # fmt: skip
    (tmp_path / "home").mkdir()
    connection = f'[superlink]\ndefault = "test"\n[superlink.test]\naddress = "127.0.0.1:{port}"\n'
    (tmp_path / "home" / "config.toml").write_text(connection + f'root-certificates = "{tmp_path / "ca.pem"}"\n', "utf-8")
    processes: list[subprocess.Popen[bytes]] = []

    def started(log: str, *command: str, home: Path) -> subprocess.Popen[bytes]:
        with (tmp_path / log).open("wb") as file:
            process = subprocess.Popen(command, env={**environment, "FLWR_HOME": str(home)}, stdout=file, stderr=file)
        processes.append(process)
        return process

    started(
        "server.log", "flower-superlink", "--host", "127.0.0.1", "--port", str(port), "--enable-supernode-auth",
        "--ssl-ca-certfile", str(tmp_path / "ca.pem"), "--ssl-certfile", str(tmp_path / "server.pem"),
        "--ssl-keyfile", str(tmp_path / "server.key"), "--disable-runtime-dependency-installation", home=tmp_path / "home",
    )  # fmt: skip
    wait_for(port)
    made = Network(tmp_path, environment, [])
    for site, settings in enumerate(nodes):
        key = ec.generate_private_key(ec.SECP384R1())
        public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        (tmp_path / f"site-{site}.pub").write_bytes(public)
        written_key(key, tmp_path / f"site-{site}.key", serialization.PrivateFormat.OpenSSH)
        made.flwr("supernode", "register", str(tmp_path / f"site-{site}.pub"), "test")
        node = started(
            f"site-{site}.log", "flower-supernode", "--superlink", f"127.0.0.1:{port}", "--host", "127.0.0.1",
            "--port", str(own[site]), "--root-certificates", str(tmp_path / "ca.pem"),
            "--auth-supernode-private-key", str(tmp_path / f"site-{site}.key"),
            "--node-config", f'{settings} record="{tmp_path / f"sent-{site}"}"',
            home=tmp_path / f"home-{site}",
        )  # fmt: skip
        made.nodes.append(node)
    try:
        yield made
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_for(port: int) -> None:
    for _ in range(240):
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise AssertionError("the server did not start")
