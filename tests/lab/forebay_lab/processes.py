"""Processes that are certain to end: started in a session of their own, and watched by a reaper.

The reaper is a small process that holds a pipe to us. When we end in whatever way, also by SIGKILL, the pipe
closes and the reaper ends the process groups that we started and had not stopped, and removes the temporary
directories that we had not removed.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

#: How long a process may take to end after SIGTERM before it gets SIGKILL.
STOP_PATIENCE_S = 10.0
#: How often a condition is looked at while waiting for it.
POLL_INTERVAL_S = 0.02

_reaper: subprocess.Popen[bytes] | None = None
_started: dict[int, subprocess.Popen[bytes]] = {}


class LabError(RuntimeError):
    """Something of the laboratory could not be started or did not behave; never the fault of what is tested."""


def start(
    argv: Sequence[str | os.PathLike[str]],
    *,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdout: int | IO[Any] | None = None,
    stderr: int | IO[Any] | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Starts a process in a session of its own and puts it under the reaper's watch.

    ``log`` takes stdout and stderr (appended), unless they are given.
    """
    sink = log.open("ab") if log else None
    try:
        process = subprocess.Popen(
            [os.fspath(word) for word in argv],
            stdin=subprocess.DEVNULL,
            stdout=stdout if stdout is not None else sink,
            stderr=stderr if stderr is not None else sink,
            env=dict(os.environ, **env) if env else None,
            cwd=cwd,
            start_new_session=True,
        )
    finally:
        if sink:
            sink.close()
    _started[process.pid] = process
    _tell_reaper(f"watch {process.pid}")
    return process


def stop(process: subprocess.Popen[bytes], *, patience_s: float = STOP_PATIENCE_S, sign: int = signal.SIGTERM) -> int:
    """Ends a process of ``start`` and all it started; returns its exit status (negative: the signal)."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            process.send_signal(sign)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # what is left of its session
    process.wait()
    _started.pop(process.pid, None)
    _tell_reaper(f"forget {process.pid}")
    return process.returncode


def left_running() -> list[str]:
    """The commands that were started, not stopped, and are still running."""
    return [f"{process.pid} {process.args!r}" for process in list(_started.values()) if process.poll() is None]


def make_directory(prefix: str, parent: Path | None = None) -> Path:
    """A new temporary directory, removed by ``remove_directory`` or when we are gone."""
    directory = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    _tell_reaper(f"sweep {directory}")
    return directory


def remove_directory(directory: Path) -> None:
    """Removes a directory of ``make_directory`` and all that is in it."""
    shutil.rmtree(directory, ignore_errors=True)
    _tell_reaper(f"leave {directory}")


def wait_until(what: str, holds: Callable[[], object], *, timeout_s: float = 30.0) -> None:
    """Polls until ``holds()`` is true; LabError with ``what`` when that takes longer than ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            raise LabError(f"after {timeout_s:.0f} s still not true: {what}")
        time.sleep(POLL_INTERVAL_S)


def free_port(address: str = "127.0.0.1", *, but: Sequence[int] = ()) -> int:
    """A TCP port that was free a moment ago, in the network of the calling thread; none of ``but``."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    while True:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
            port: int = probe.getsockname()[1]
        if port not in but:  # the kernel may give the same one twice in a row
            return port


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log, for an error message."""
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def _tell_reaper(line: str) -> None:
    global _reaper
    if _reaper is None or _reaper.poll() is not None:
        script = Path(__file__).with_name("reaper.py")
        _reaper = subprocess.Popen([sys.executable, "-S", "-E", script], stdin=subprocess.PIPE, start_new_session=True)
    assert _reaper.stdin is not None
    _reaper.stdin.write(line.encode() + b"\n")
    _reaper.stdin.flush()
