"""Bytes that tell which object, which version and which offset they are, wherever they turn up.

A body is a row of words of 16 bytes. Each half of a word is a number times an odd constant, so that every byte differs
between neighbours and versions, and the numbers can be had back.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

WORD_BYTES = 16
_OBJECT_SHIFT = np.uint64(32)
_FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F
_FIRST_BACK, _SECOND_BACK = pow(_FIRST, -1, 2**64), pow(_SECOND, -1, 2**64)
#: A run of words that were not made here.
UNKNOWN = -1


@dataclass(frozen=True)
class Run:
    """Neighbouring bytes of one origin: ``[begin, end)`` of what was looked at."""

    begin: int
    end: int
    thing: int  #: the object's number, or UNKNOWN
    version: int
    moved: int  #: how far from where they belong


class Body:
    """The bytes of a version, made when a part of them is asked for; stands in for ``bytes`` at an origin."""

    def __init__(self, thing: int, version: int, length_bytes: int) -> None:
        self.thing, self.version, self.length = thing, version, length_bytes

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, part: slice) -> bytes:
        begin, end, step = part.indices(self.length)
        assert step == 1
        return make_bytes(self.thing, self.version, begin, end)


def make_bytes(thing: int, version: int, begin: int, end: int) -> bytes:
    """Bytes ``[begin, end)`` of a version of an object."""
    if end <= begin:
        return b""
    first, last = begin // WORD_BYTES, -(-end // WORD_BYTES)
    numbers = np.arange(first, last, dtype=np.uint64)
    words = np.empty((last - first, 2), dtype=np.uint64)
    identity = (np.uint64(thing) << _OBJECT_SHIFT) | np.uint64(version)
    words[:, 0] = (numbers + identity) * np.uint64(_FIRST)
    words[:, 1] = (numbers + np.uint64(1)) * np.uint64(_SECOND)
    skip = begin - first * WORD_BYTES
    return memoryview(words).cast("B")[skip : skip + end - begin].tobytes()


def guess_version(body: bytes, at: int) -> int | None:
    """What the first whole word of ``body``, which lies at offset ``at`` of its object, says; None: it
    says nothing."""
    skip = -at % WORD_BYTES
    if len(body) < skip + WORD_BYTES:
        return None
    things, versions, _ = _read(body[skip : skip + WORD_BYTES])
    return None if things[0] == UNKNOWN else int(versions[0])


def explain(body: bytes, at: int) -> list[Run]:
    """Where the bytes of ``body``, which was to lie at offset ``at``, come from. Whole words only, shifted ones too."""
    runs: list[Run] = []
    skip = -at % WORD_BYTES
    usable = (len(body) - skip) // WORD_BYTES * WORD_BYTES
    if usable <= 0:
        return runs
    numbers = np.arange(usable // WORD_BYTES, dtype=np.int64) + (at + skip) // WORD_BYTES
    things, versions, found = _read(body[skip : skip + usable])
    moved = np.where(things == UNKNOWN, 0, found - numbers)
    edges = [0, *(_changes(things) | _changes(versions) | _changes(moved)).nonzero()[0] + 1, len(numbers)]
    for first, last in itertools.pairwise(edges):
        runs.append(
            Run(
                skip + int(first) * WORD_BYTES, skip + int(last) * WORD_BYTES, int(things[first]), int(versions[first]),
                int(moved[first]) * WORD_BYTES,
            )
        )  # fmt: skip
    if all(run.thing == UNKNOWN for run in runs):
        return _explain_shifted(body, at) or runs
    return runs


def _explain_shifted(body: bytes, at: int) -> list[Run]:
    """Words that begin at another place than they should."""
    for skip in range(1, WORD_BYTES):
        things, versions, found = _read(body[skip : skip + (len(body) - skip) // WORD_BYTES * WORD_BYTES])
        if len(things) and things[0] != UNKNOWN:
            return [Run(skip, len(body), int(things[0]), int(versions[0]), int(found[0]) * WORD_BYTES - at - skip)]
    return []


def _changes(row: np.ndarray) -> np.ndarray:
    return row[1:] != row[:-1]


def _read(words: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Object, version and number of each word; UNKNOWN, 0, 0 where it is none."""
    halves = np.frombuffer(words, dtype=np.uint64).reshape(-1, 2)
    numbers = halves[:, 1] * np.uint64(_SECOND_BACK) - np.uint64(1)
    identities = halves[:, 0] * np.uint64(_FIRST_BACK) - numbers
    things = (identities >> _OBJECT_SHIFT).astype(np.int64)
    versions = (identities & np.uint64(0xFFFF_FFFF)).astype(np.int64)
    sane = (numbers < np.uint64(1 << 40)) & (things < 1 << 24) & (versions < 1 << 24)
    numbers = numbers.astype(np.int64)
    return np.where(sane, things, UNKNOWN), np.where(sane, versions, 0), np.where(sane, numbers, 0)
