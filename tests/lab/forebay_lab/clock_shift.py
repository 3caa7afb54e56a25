"""A wall clock that is wrong on command: ``clock_shift.cc``, preloaded into a node, obeys a file that we both map."""

from __future__ import annotations

import mmap
import struct

from . import processes
from .programs import preload

_SECOND_NS = 10**9


class ClockShift:
    """The wall clock of nodes that are started with ``environment()``; their steady clock is right."""

    def __init__(self) -> None:
        self._home = processes.make_directory("forebay-clock-")
        self._control = self._home / "shift"
        self._control.write_bytes(struct.pack("=q", 0))
        with self._control.open("r+b") as file:
            self._shift = memoryview(mmap.mmap(file.fileno(), 0)).cast("q")

    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": preload("forebay_clock_shift.so"), "FOREBAY_CLOCK_SHIFT": str(self._control)}

    def set(self, seconds: float) -> None:
        """So far ahead of the true time (behind, when negative), from now on."""
        self._shift[0] = round(seconds * _SECOND_NS)

    def close(self) -> None:
        processes.remove_directory(self._home)

    def __enter__(self) -> ClockShift:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
