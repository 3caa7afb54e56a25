"""A disk that fails on command: ``disk_fault.cc``, preloaded into a node, obeys a file that we both map."""

from __future__ import annotations

import errno
import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import processes
from .programs import preload

#: As in disk_fault.cc: a head of four numbers, then eight for each operation.
_MAGIC = 0x4B53494459424F46
_OPERATIONS = ("read", "write", "sync", "create", "remove", "append", "direct")
_ACTIONS = ("none", "fail", "shorten", "flip")
_HEAD_NUMBERS = 4
_RULE_NUMBERS = 8
_WHAT, _NUMBER, _EVERY, _LEFT, _LATENCY, _LEAST_BYTES, _CALLS, _INJECTED = range(_RULE_NUMBERS)
_READS_HELD, _WAITING = 1, 2

#: A read of so much is of an extent, and its middle is payload.
_FLIPPED_BYTES = 64 * 1024

ALWAYS = 2**64 - 1


@dataclass(frozen=True)
class Counted:
    """What became of one kind of call."""

    calls: int
    injected: int  #: that were met by a fault


class DiskFault:
    """Faults of the segments (``*.seg``) in ``directory``, and of its log of purges (the operation ``append``).

    Start a node with ``environment()``. Operations: read, write, sync, create (opening and allocating a new segment),
    remove, append, direct (opening with O_DIRECT). One rule per operation at a time; rules hold until they are
    replaced, also over restarts.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._home = processes.make_directory("forebay-fault-")
        self._control = self._home / "control"
        numbers = _HEAD_NUMBERS + _RULE_NUMBERS * len(_OPERATIONS)
        self._control.write_bytes(struct.pack("<Q", _MAGIC) + bytes(8 * (numbers - 1)))
        with self._control.open("r+b") as file:
            self._numbers = memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")

    def environment(self) -> dict[str, str]:
        """Of a node that is to have these faults, with or without AddressSanitizer."""
        return {
            "LD_PRELOAD": preload("forebay_disk_fault.so"),
            "FOREBAY_DISK_FAULT_DIRECTORY": str(self._directory),
            "FOREBAY_DISK_FAULT_CONTROL": str(self._control),
        }

    def fail(self, operation: str, number: int = errno.EIO, *, every: int = 1, times: int = ALWAYS) -> None:
        """Each ``every``-th call fails with this errno, ``times`` at most."""
        self._set(operation, "fail", number, every, times)

    def shorten(self, operation: str, *, every: int = 1, times: int = ALWAYS) -> None:
        """Reads and writes are done by half."""
        self._set(operation, "shorten", 0, every, times)

    def flip(self, *, every: int = 1, times: int = ALWAYS) -> None:
        """One bit of what is read is wrong, in the middle: of payload, so small reads are spared."""
        self._set("read", "flip", 0, every, times, least_bytes=_FLIPPED_BYTES)

    def slow(self, operation: str, seconds: float) -> None:
        """Each call takes so much longer."""
        self._numbers[self._at(operation, _LATENCY)] = round(seconds * 1e6)

    @contextmanager
    def reads_held(self) -> Iterator[None]:
        """No read ends as long as this lasts."""
        self._numbers[_READS_HELD] = 1
        try:
            yield
        finally:
            self._numbers[_READS_HELD] = 0

    def waiting(self) -> int:
        """Reads that are held now."""
        return self._numbers[_WAITING]

    def behave(self) -> None:
        """No faults from now on; the counts stay."""
        self._numbers[_READS_HELD] = 0
        for operation in _OPERATIONS:
            self._numbers[self._at(operation, _LATENCY)] = 0
            self._set(operation, "none", 0, 0, 0)

    def counted(self, operation: str) -> Counted:
        return Counted(self._numbers[self._at(operation, _CALLS)], self._numbers[self._at(operation, _INJECTED)])

    def close(self) -> None:
        self.behave()
        processes.remove_directory(self._home)

    def __enter__(self) -> DiskFault:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _at(self, operation: str, number: int) -> int:
        return _HEAD_NUMBERS + _RULE_NUMBERS * _OPERATIONS.index(operation) + number

    def _set(self, operation: str, action: str, number: int, every: int, times: int, least_bytes: int = 0) -> None:
        self._numbers[self._at(operation, _WHAT)] = 0
        self._numbers[self._at(operation, _LEAST_BYTES)] = least_bytes
        self._numbers[self._at(operation, _NUMBER)] = number
        self._numbers[self._at(operation, _EVERY)] = every
        self._numbers[self._at(operation, _LEFT)] = times
        self._numbers[self._at(operation, _WHAT)] = _ACTIONS.index(action)
