"""One command's server: the API in this process, the dispatcher in another that is started again where it dies."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from aneuflow.errors import ResourceError
from aneuflow.service.app import create_app
from aneuflow.service.engine import check_cluster
from aneuflow.service.logs import start_logging
from aneuflow.service.secrecy import hide_memory
from aneuflow.service.settings import ServiceSettings
from aneuflow.service.system import first_start, open_system
from aneuflow.service.traces import start_tracing

log = logging.getLogger("aneuflow.service")


def run_server(settings: ServiceSettings, tell: Callable[[str], None], cases: Sequence[Path] = ()) -> None:
    """Serve until interrupted; `tell` gets the address, and on the first start the administrator's password.

    `cases`: case folders that are to be in the worklist.
    """
    hide_memory()
    if settings.ray_address and settings.job_slots:
        check_cluster(settings.ray_address)
    system = open_system(settings)
    password = first_start(system)
    if cases:
        from aneuflow.service.adopt import adopt  # this late, as it brings all that computes

        for path in cases:
            adopt(system, path)
    start_logging()
    start_tracing(settings, "api")
    config = uvicorn.Config(
        create_app(system),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=130,  # longer than browsers and proxies keep a connection, or it is cut as they use it again
        forwarded_allow_ips=settings.forwarded_allow_ips,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
    )
    try:
        listener = config.bind_socket()
    except SystemExit:
        raise ResourceError(f"Port {settings.port} of {settings.host} cannot be used; choose another with --port.") from None
    # Taken over by every connection; without it the end of a long answer waits 40 ms for the client's word of its beginning.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    scheme = "https" if settings.tls_certificate else "http"
    tell(f"aneuflow serves at {scheme}://{settings.host}:{listener.getsockname()[1]}")
    if password:
        tell(f"First start: sign in as administrator with the password {password} and change it; it is not shown again.")
    # Once it has shut down uvicorn raises the signal again, which by default would end this process before its dispatcher.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with dispatching(settings):
        uvicorn.Server(config).run(sockets=[listener])


def _as_text(value: object) -> str:
    """As the environment has it: tables as JSON."""
    return json.dumps(value) if isinstance(value, dict) else str(value)


@contextmanager
def dispatching(settings: ServiceSettings) -> Iterator[None]:
    """A dispatcher beside the block, unless this machine has no job slots."""
    if settings.job_slots == 0:
        yield
        return
    given = settings.model_dump(mode="json", exclude_none=True)
    environment = {**os.environ, **{f"ANEUFLOW_{name.upper()}": _as_text(value) for name, value in given.items()}}
    command = [sys.executable, "-m", "aneuflow.service.dispatch", str(os.getpid())]
    ending = threading.Event()
    started: list[subprocess.Popen[bytes]] = []

    def keep_running() -> None:
        while not ending.is_set():
            started[:] = [subprocess.Popen(command, env=environment)]
            if ending.is_set():  # meanwhile: whoever ended this found none to terminate
                started[0].terminate()
            code = started[0].wait()
            if not ending.wait(1.0):
                log.error("dispatcher ended", extra={"facts": {"code": code}})

    keeper = threading.Thread(target=keep_running, daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ending.set()
        if started:
            started[0].terminate()
        keeper.join(15.0)
