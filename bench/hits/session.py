"""A server in a session of its own: how much processor time it and its children took, and its end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

END_TIMEOUT_S = 10.0
TICKS = os.sysconf("SC_CLK_TCK")


class Session:
    def __init__(self, command: list[str], log: Path) -> None:
        with log.open("wb") as into:
            self.process = subprocess.Popen(
                command, stdout=into, stderr=into, stdin=subprocess.DEVNULL, start_new_session=True
            )

    def ended(self) -> bool:
        return self.process.poll() is not None

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
            if int(fields[3]) == self.process.pid:  # session
                found.append((int(each.name), fields))
        return found

    def cpu_s(self) -> float:
        """User and system time of all of them, in seconds, by ticks."""
        return sum(int(fields[11]) + int(fields[12]) for _, fields in self._members()) / TICKS

    def end(self) -> None:
        for how in (signal.SIGTERM, signal.SIGKILL):
            for pid, _ in self._members():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, how)
            try:
                self.process.wait(END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                continue
            if not self._members():
                return
