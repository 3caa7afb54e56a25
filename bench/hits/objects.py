"""The objects: any byte of any of them is known without having it, and no two of them are alike.

At offset i of object n stands byte (i + 7919 n) of a pattern of 65,521 random bytes, read round and round. `load.cc`
computes the same; what is misplaced, of another object, or of another part of the same one, does not compare.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

PERIOD = 65521  # a prime: no offset that programs like is a multiple of it
SHIFT_PER_OBJECT = 7919
PATTERN = random.Random(1).randbytes(PERIOD)
WRITE_PERIODS = 64  # written at once


@dataclass(frozen=True)
class Objects:
    count: int
    length_bytes: int

    def body(self, number: int, first: int = 0, length: int | None = None) -> bytes:
        length = self.length_bytes - first if length is None else length
        start = (first + number * SHIFT_PER_OBJECT) % PERIOD
        return (PATTERN * ((start + length) // PERIOD + 1))[start : start + length]

    def write(self, directory: Path) -> None:
        """The files `directory/o/NUMBER`, and `directory/pattern`."""
        (directory / "o").mkdir(parents=True)
        (directory / "pattern").write_bytes(PATTERN)
        for number in range(self.count):
            with (directory / "o" / str(number)).open("wb") as into:
                for first in range(0, self.length_bytes, WRITE_PERIODS * PERIOD):
                    into.write(self.body(number, first, min(WRITE_PERIODS * PERIOD, self.length_bytes - first)))


@dataclass(frozen=True)
class Request:
    """Of an object, or of a part of it."""

    number: int
    length: int
    first: int | None = None

    def line(self) -> str:
        return f"{self.number} {-1 if self.first is None else self.first} {self.length}\n"


def whole(objects: Objects) -> list[Request]:
    return [Request(number, objects.length_bytes) for number in range(objects.count)]


def scattered(objects: Objects, count: int, length: int, seed: int) -> list[Request]:
    """Ranges of object 0 at random places, aligned with nothing."""
    places = random.Random(seed)
    return [Request(0, length, places.randrange(objects.length_bytes - length)) for _ in range(count)]
