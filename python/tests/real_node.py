"""Runs the real program for tests: a process with a configuration of its own, on ports of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

BINARY_VARIABLE = "FOREBAY_TEST_NODE_BINARY"
_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 20.0

_CONFIGURATION = """
[[listen]]
address = "127.0.0.1:{data_port}"
serve = ["data"]

[[listen]]
address = "127.0.0.1:{admin_port}"
serve = ["admin"]

[node]
name = "python-tests"
threads = 1
memory = "64MiB"
disk = []

[[namespace]]
path = "/data"
origins = ["{origin}/"]

[open]
http_hosts = ["{authority}"]

[network]
allow_private = ["127.0.0.0/8"]

[limits]
attempts = 2
breaker_failures = 1000
queue_delay = "0s"
"""


class RealNode:
    """``forebay serve`` in front of one origin."""

    def __init__(self, origin_url: str, folder: Path) -> None:
        self._origin_url = origin_url
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / "node.log"
        self.data_port = self.admin_port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.data_port}"

    def __enter__(self) -> RealNode:
        self.data_port, self.admin_port = _free_ports(2)
        path = self._folder / "forebay.toml"
        path.write_text(
            _CONFIGURATION.format(
                data_port=self.data_port,
                admin_port=self.admin_port,
                origin=self._origin_url,
                authority=self._origin_url.removeprefix("http://"),
            )
        )
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [os.environ[BINARY_VARIABLE], "serve", "--config", str(path)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={k: v for k, v in os.environ.items() if not k.startswith("FOREBAY_")},
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        until = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < until:
            if self._process.poll() is not None:
                break
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/readyz", timeout=1) as answer,
            ):
                if answer.status == 200:
                    return
            time.sleep(0.02)
        raise RuntimeError(f"the node did not become ready:\n{self._log.read_text(errors='replace')}")

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def __exit__(self, *_: object) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            code = self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        assert code == 0, self._log.read_text(errors="replace")[-5000:]


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
