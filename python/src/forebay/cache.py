"""The buffer of an open file: blocks for scattered reads, a growing window for sequential ones."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, ClassVar, Final

from fsspec.caching import BaseCache, register_cache

# HDF5 reads its metadata in pieces of a few hundred bytes all over the file. A block of this size
# serves many of them, and is little to buy at the origin when it does not.
BLOCK_BYTES: Final = 128 * 1024

# The window of a sequential reader doubles up to this: on a 1 Gbit/s link 4 MiB keep the wire busy for
# 33 ms, many times the round trip to a near node.
MAX_WINDOW_BYTES: Final = 4 * 1024 * 1024

# What one open file may hold. HDF5's metadata of even large files fits, and a thousand open files, which
# people do open at once, stay within the memory of a workstation.
CAPACITY_BYTES: Final = 16 * 1024 * 1024


class WindowCache(BaseCache):
    """Least recently used blocks, with a read-ahead that only sequential reading earns.

    A scattered read fetches the blocks that it touches, neighbours in one request. A read that begins
    where the last one ended doubles the window; any other read closes it. A read longer than the
    largest window is fetched exactly as asked, and not kept.

    Parameters
    ----------
    blocksize : int
        Grain of what is fetched and kept.
    fetcher : callable
        ``fetcher(start, stop)`` returns these bytes of the file.
    size : int
        Length of the file.
    max_window_bytes, capacity_bytes : int
        Largest read-ahead, and what is kept at most.
    """

    name: ClassVar[str] = "forebay"

    def __init__(
        self,
        blocksize: int,
        fetcher: Callable[[int, int], bytes],
        size: int,
        max_window_bytes: int = MAX_WINDOW_BYTES,
        capacity_bytes: int = CAPACITY_BYTES,
    ) -> None:
        super().__init__(blocksize, fetcher, size)
        self._max_window_bytes = max(max_window_bytes, blocksize)
        self._capacity_bytes = max(capacity_bytes, self._max_window_bytes)
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._held_bytes = 0
        self._window_bytes = 0
        self._last_stop: int | None = None

    def _fetch(self, start: int | None, stop: int | None) -> bytes:
        start = start or 0
        stop = self.size if stop is None else min(stop, self.size)
        if start >= stop:
            return b""
        self._adapt_window(start, stop)
        if stop - start > self._max_window_bytes:
            self.miss_count += 1
            return self._ask(start, stop)
        first, last = start // self.blocksize, (stop - 1) // self.blocksize
        blocks = {number: self._blocks[number] for number in range(first, last + 1) if number in self._blocks}
        for number in blocks:
            self._blocks.move_to_end(number)
        if len(blocks) == last - first + 1:
            self.hit_count += 1
        else:
            self.miss_count += 1
            self._fill(first, last, blocks)
        joined = b"".join(blocks[number] for number in range(first, last + 1))
        return joined[start - first * self.blocksize : stop - first * self.blocksize]

    def _adapt_window(self, start: int, stop: int) -> None:
        if start == self._last_stop:
            grown = max(self._window_bytes * 2, self.blocksize)
            self._window_bytes = min(grown, self._max_window_bytes)
        else:
            self._window_bytes = 0
        self._last_stop = stop

    def _fill(self, first: int, last: int, blocks: dict[int, bytes]) -> None:
        """Fetch the missing blocks of ``first`` to ``last``, and of the window behind them."""
        end = max(last, (last * self.blocksize + self._window_bytes) // self.blocksize)
        end = min(end, (self.size - 1) // self.blocksize)
        while end > last and end in self._blocks:
            end -= 1
        missing = [n for n in range(first, end + 1) if n not in blocks and n not in self._blocks]
        run_start = 0
        for i in range(1, len(missing) + 1):
            if i == len(missing) or missing[i] != missing[i - 1] + 1:
                self._fetch_run(missing[run_start], missing[i - 1], blocks)
                run_start = i

    def _fetch_run(self, first: int, last: int, blocks: dict[int, bytes]) -> None:
        start = first * self.blocksize
        data = self._ask(start, min((last + 1) * self.blocksize, self.size))
        for number in range(first, last + 1):
            offset = number * self.blocksize - start
            block = data[offset : offset + self.blocksize]
            blocks[number] = block
            self._keep(number, block)

    def _keep(self, number: int, block: bytes) -> None:
        self._blocks[number] = block
        self._held_bytes += len(block)
        while self._held_bytes > self._capacity_bytes:
            _, dropped = self._blocks.popitem(last=False)
            self._held_bytes -= len(dropped)

    def _ask(self, start: int, stop: int) -> bytes:
        self.total_requested_bytes += stop - start
        data: bytes = self.fetcher(start, stop)
        return data

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state["_blocks"] = OrderedDict()
        state["_held_bytes"] = 0
        return state


register_cache(WindowCache, clobber=True)
