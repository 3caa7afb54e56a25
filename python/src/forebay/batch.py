"""Many ranges of many files at once: few requests, and one version of each file."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from forebay.ranges import merge_ranges
from forebay.version import Version

ReadVersion = Callable[[str, int | None, int | None, Version | None], Awaitable[tuple[Version, bytes]]]


def limits_of(values: Any, count: int) -> list[int | None]:
    """Give each of ``count`` ranges its limit: one for all of them, or a sequence of them."""
    if values is None or not isinstance(values, Iterable):
        return [values] * count
    listed = [None if value is None else int(value) for value in values]
    if len(listed) != count:
        raise ValueError("paths, starts and ends have equal length")
    return listed


class Batch:
    """The ranges of one call of ``cat_ranges``.

    The first answer about a file pins its version for the ranges that are asked for later; an answer of
    another version is an error in its place.

    Parameters
    ----------
    paths : list of str
        Files; repeated for several ranges of one.
    starts, stops : list of int or None
        Limits as Python counts them.
    """

    def __init__(self, paths: list[str], starts: list[int | None], stops: list[int | None]) -> None:
        self._paths = paths
        self._starts = starts
        self._stops = stops
        self._results: list[bytes | Exception] = [b""] * len(paths)
        self._versions: dict[str, Version] = {}

    async def read(
        self, read_version: ReadVersion, gap_bytes: int, concurrency: int
    ) -> list[bytes | Exception]:
        """Read all ranges.

        Parameters
        ----------
        read_version : callable
            Reads one slice of a file.
        gap_bytes : int
            Largest gap within one request; negative: one request per range.
        concurrency : int
            Requests in flight.

        Returns
        -------
        list of bytes or Exception
            In the order of the ranges.
        """
        gate = asyncio.Semaphore(concurrency)
        plain, alone = self._sort_out()
        merged = merge_ranges(
            [self._paths[i] for i in plain],
            [self._starts[i] or 0 for i in plain],
            [self._stops[i] or 0 for i in plain],
            gap_bytes,
        )

        async def read_one(path: str, start: int | None, stop: int | None, members: list[int]) -> None:
            async with gate:
                try:
                    seen, data = await read_version(path, start, stop, self._versions.get(path))
                    self._versions.setdefault(path, seen).require_same(seen, path)
                except Exception as error:
                    for i in members:
                        self._results[i] = error
                    return
            self._share_out(data, start or 0, members)

        async def read_alone(i: int) -> None:
            start, stop = self._starts[i], self._stops[i]
            await read_one(self._paths[i], start, stop, [i])

        await asyncio.gather(
            *(read_one(one.path, one.start, one.stop, [plain[k] for k in one.parts]) for one in merged),
            *(read_alone(i) for i in alone),
        )
        return self._results

    def _sort_out(self) -> tuple[list[int], list[int]]:
        """Tell ranges that can be merged from those whose place only an answer tells."""
        plain: list[int] = []
        alone: list[int] = []
        for i, (start, stop) in enumerate(zip(self._starts, self._stops, strict=True)):
            if stop is None or stop < 0 or (start or 0) < 0:
                alone.append(i)
            elif stop > (start or 0):
                plain.append(i)
        return plain, alone

    def _share_out(self, data: bytes, start: int, members: list[int]) -> None:
        if len(members) == 1:
            self._results[members[0]] = data
            return
        for i in members:
            self._results[i] = data[(self._starts[i] or 0) - start : (self._stops[i] or 0) - start]
