"""A server in a session of its own: how much processor time it and its children took, and its end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

END_TIMEOUT_S = 20.0
POLL_S = 0.02
TAIL_BYTES = 2000
TICKS = os.sysconf("SC_CLK_TCK")


class Session:
    def __init__(self, command: list[str], log: Path, variables: dict[str, str]) -> None:
        self.log = log
        with log.open("ab") as into:
            self.process = subprocess.Popen(
                command,
                stdout=into,
                stderr=into,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, **variables},
                cwd=log.parent,
            )

    def ended(self) -> bool:
        return self.process.poll() is not None

    def tail(self) -> str:
        """The end of what it said."""
        return self.log.read_text(errors="replace")[-TAIL_BYTES:]

    def pids(self) -> list[int]:
        return [pid for pid, _ in self._members()]

    def _members(self) -> list[tuple[int, list[str]]]:
        """Processes of the session, with what /proc/PID/stat says behind the name."""
        found = []
        for each in Path("/proc").iterdir():
            if not each.name.isdigit():
                continue
            try:
                fields = (each / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[3]) == self.process.pid and fields[0] != "Z":
                found.append((int(each.name), fields))
        return found

    def cpu_s(self) -> float:
        """User and system time of all of them, in seconds, by ticks."""
        return sum(int(fields[11]) + int(fields[12]) for _, fields in self._members()) / TICKS

    def kill(self) -> None:
        """As a crash would end it."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(END_TIMEOUT_S)

    def end(self) -> None:
        """All of them: asked first, the parent before its children, then killed."""
        for how in (signal.SIGTERM, signal.SIGKILL):
            members = self._members()
            for pid, _ in members[:1] if how == signal.SIGTERM else members:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, how)
            until = time.monotonic() + END_TIMEOUT_S
            while time.monotonic() < until:
                self.process.poll()
                if not self._members():
                    return
                time.sleep(POLL_S)
