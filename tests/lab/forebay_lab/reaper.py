"""Ends the process groups of a parent that is gone, and removes its directories; see ``processes``.

Run as a script; reads commands from stdin, a word and a number or path on each line.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time

TERM_PATIENCE_S = 5.0
POLL_INTERVAL_S = 0.05


def start_time(pid: int) -> str | None:
    """When the kernel started this process: a pid that was given away since does not match."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] == b"Z" else fields[19].decode()


def end_group(pid: int, sign: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, sign)


def main() -> None:
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, signal.SIG_IGN)  # it ends with its parent, and only then
    watched: dict[int, str] = {}
    directories: set[str] = set()
    for line in sys.stdin:
        command, _, what = line.rstrip("\n").partition(" ")
        if command == "watch":
            watched[int(what)] = start_time(int(what)) or ""
        elif command == "forget":
            watched.pop(int(what), None)
        elif command == "sweep":
            directories.add(what)
        else:
            directories.discard(what)
    left = [pid for pid, started in watched.items() if start_time(pid) == started]
    for pid in left:
        end_group(pid, signal.SIGTERM)
    deadline = time.monotonic() + TERM_PATIENCE_S
    while time.monotonic() < deadline and any(start_time(pid) == watched[pid] for pid in left):
        time.sleep(POLL_INTERVAL_S)
    for pid in left:
        end_group(pid, signal.SIGKILL)
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
