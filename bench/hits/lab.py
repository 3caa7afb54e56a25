"""Starting servers, and what they need: ports, a certificate, a directory, a core, and an end that is certain."""

from __future__ import annotations

import random
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from .origin import Origin
from .programs import find_program
from .servers import Scene
from .session import Session

START_TIMEOUT_S = 30.0
FIRST_PORT, LAST_PORT = 15000, 30000  # below what Linux gives to clients
POLL_S = 0.001  # the time to a first hit is measured with it


class RefusedError(RuntimeError):
    """A server that did not do what is measured: it gets no figure, and the run fails at its end."""


class UnavailableError(RuntimeError):
    """This machine or account cannot do what a workload needs."""


@dataclass(frozen=True)
class Cores:
    """Of the server, and of everything else."""

    server: int = 0
    load: int = 1


def free_port() -> int:
    """Not one that the kernel gives to clients: whoever waits for a server there could meet itself."""
    while True:
        port = random.randrange(FIRST_PORT, LAST_PORT)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """ECDSA P-256, as most servers have one today."""
    certificate, key = directory / "cert.pem", directory / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    certificate.chmod(0o644)
    key.chmod(0o644)  # servers that give their rights up read it; it is worth nothing
    return certificate, key


def pinned(core: int, command: list[str]) -> list[str]:
    return ["taskset", "-c", str(core), *command]


def wait_for_port(name: str, session: Session, port: int) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if session.ended() or time.monotonic() > until:
                raise RefusedError(f"{name} does not start:\n{session.tail()}") from None
            time.sleep(POLL_S)


@contextmanager
def running(server: ModuleType, scene: Scene, core: int) -> Iterator[Session]:
    """Taking connections; what it left in its directory in a former run is there."""
    variables = getattr(server, "environment", lambda _: {})(scene)
    session = Session(pinned(core, server.command(scene)), scene.directory / "log", variables)
    try:
        wait_for_port(server.NAME, session, scene.port)
        yield session
    finally:
        session.end()


@contextmanager
def far_line(origin: Origin, rtt_ms: float, rate_mbit: float, core: int, directory: Path) -> Iterator[str]:
    """HOST:PORT of the origin behind a relay with delay and a rate that all connections share (tests/lab)."""
    port = free_port()
    command = [
        *(str(find_program("forebay_link")), "--relay", f"127.0.0.1:{port}", origin.address),
        *("--rtt-ms", str(rtt_ms), "--rate-mbit", str(rate_mbit)),
    ]
    session = Session(pinned(core, command), directory / "line.log", {})
    try:
        wait_for_port("the line", session, port)
        yield f"127.0.0.1:{port}"
    finally:
        session.end()
