"""One read of one object: checks every answer against what was asked, and resumes what broke off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, BinaryIO, Final, Protocol

from fsspec.callbacks import Callback

from forebay.errors import BrokenBodyError
from forebay.ranges import ByteRange, ContentRange
from forebay.version import Version


class Sink(Protocol):
    """Where the bytes of a transfer go."""

    def write(self, data: bytes, /) -> object:
        """Append bytes."""

    def restart(self) -> None:
        """Forget everything written so far."""


class MemorySink:
    """Collects a body in memory."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes, /) -> None:
        """Append bytes."""
        self._parts.append(data)

    def restart(self) -> None:
        """Forget everything written so far."""
        self._parts.clear()

    def take(self) -> bytes:
        """Return all bytes, without a copy when they came as one."""
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)


class FileSink:
    """Writes a body into an open file, from the position where the file stood."""

    def __init__(self, file: BinaryIO | IO[bytes]) -> None:
        self._file = file
        self._origin = file.tell() if file.seekable() else None

    def write(self, data: bytes, /) -> None:
        """Append bytes."""
        self._file.write(data)

    def restart(self) -> None:
        """Forget everything written so far."""
        if self._origin is None:
            raise OSError("the target cannot be rewound, and the object has no validator to resume by")
        self._file.seek(self._origin)
        self._file.truncate()


class CountingFileSink(FileSink):
    """A file sink that tells a callback of fsspec how much arrived."""

    def __init__(self, file: BinaryIO | IO[bytes], callback: Callback) -> None:
        super().__init__(file)
        self._callback = callback
        self._count = 0

    def write(self, data: bytes, /) -> None:
        """Append bytes."""
        super().write(data)
        self._count += len(data)
        self._callback.relative_update(len(data))

    def restart(self) -> None:
        """Forget everything written so far."""
        super().restart()
        self._callback.relative_update(-self._count)
        self._count = 0


WHOLE: Final = ByteRange(0)


class Transfer:
    """State of one read over as many requests as it takes.

    The first answer fixes the version and the extent of the read. A further request asks for the rest of
    that version alone (``If-Match``); without a strong ETag the read starts from its beginning.

    Parameters
    ----------
    url : str
        For messages.
    wanted : ByteRange
        What is read; :data:`WHOLE` for everything.
    sink : Sink
        Receives each byte exactly once, in order.
    pinned : Version, optional
        The only version that will do.
    """

    def __init__(self, url: str, wanted: ByteRange, sink: Sink, pinned: Version | None = None) -> None:
        self.url = url
        self.wanted = wanted
        self.sink = sink
        self.pinned = pinned
        self.version: Version | None = None
        self.is_empty = False  # a 416 said that the range begins at or behind the end
        self._first: int | None = None  # absolute position of the first byte of the read
        self._stop: int | None = None  # absolute end, once known
        self._received = 0
        self._skip = 0
        self._length_unknown = False
        self._resuming = False

    @property
    def received_bytes(self) -> int:
        """Bytes that the sink holds."""
        return self._received

    @property
    def expected_bytes(self) -> int | None:
        """Length of the whole read, once an answer told it."""
        if self._first is None or self._stop is None:
            return None
        return self._stop - self._first

    def next_headers(self) -> dict[str, str]:
        """Fields of the next request; what cannot be resumed is started again."""
        headers: dict[str, str] = {}
        known = self.version or self.pinned
        etag = known.strong_etag if known is not None else None
        self._resuming = self._received > 0 and etag is not None and self._first is not None
        if self._received and not self._resuming:
            self.sink.restart()
            self._received = 0
        if not self._resuming:
            self.version = self._first = self._stop = None
            etag = self.pinned.strong_etag if self.pinned is not None else None
        if etag is not None:
            headers["If-Match"] = etag
        if self._resuming:
            headers["Range"] = ByteRange((self._first or 0) + self._received, self._stop).to_header()
        elif self.wanted != WHOLE:
            headers["Range"] = self.wanted.to_header()
        return headers

    def accept(self, status: int, headers: Mapping[str, str]) -> bool:
        """Check the head of a 200, 206 or 416 answer.

        Returns
        -------
        bool
            Whether there is a body to read.

        Raises
        ------
        VersionChangedError
            The answer belongs to another version than the read.
        BrokenBodyError
            The answer is not what was asked for.
        """
        said = ContentRange.parse(headers.get("Content-Range"))
        if status == 416:
            self._accept_unsatisfiable(said, headers)
            return False
        first: int
        stop: int | None
        if status == 206:
            first, stop, total = self._place_of_partial(said, headers)
        else:
            total = self._length_of_whole(headers)
            first, stop = 0, total
        self._length_unknown = status == 200 and total is None
        self._check_version(Version.of_headers(headers, total))
        self._settle(first, stop, total)
        return True

    def _place_of_partial(
        self, said: ContentRange | None, headers: Mapping[str, str]
    ) -> tuple[int, int, int | None]:
        if said is None or said.start is None or said.stop is None:
            raise BrokenBodyError(
                f"a 206 answer with Content-Range {headers.get('Content-Range')!r}", self.url
            )
        length = headers.get("Content-Length")
        if length is not None and int(length) != said.stop - said.start:
            raise BrokenBodyError("Content-Length and Content-Range disagree", self.url)
        return said.start, said.stop, said.total

    def _length_of_whole(self, headers: Mapping[str, str]) -> int | None:
        length = headers.get("Content-Length")
        if length is not None:
            return int(length)
        if "chunked" not in headers.get("Transfer-Encoding", "").lower():
            raise BrokenBodyError("an answer whose end cannot be told from a break", self.url)
        return None

    def _check_version(self, seen: Version) -> None:
        for known in (self.pinned, self.version):
            if known is not None:
                known.require_same(seen, self.url)
        if self.version is None:
            self.version = seen

    def _accept_unsatisfiable(self, said: ContentRange | None, headers: Mapping[str, str]) -> None:
        total = said.total if said is not None else None
        start = self.wanted.start
        beyond = total == 0 if self.wanted.is_suffix else total is not None and start >= total
        if self._resuming or not beyond:
            raise BrokenBodyError("the node calls a range unsatisfiable that is within the object", self.url)
        self._check_version(Version.of_headers(headers, total))
        self.is_empty = True

    def _settle(self, first: int, stop: int | None, total: int | None) -> None:
        """Decide which bytes of the coming body belong to the read."""
        if self._resuming:
            position = (self._first or 0) + self._received
            if first > position or (stop is not None and self._stop is not None and stop < self._stop):
                raise BrokenBodyError("the rest of an object is not where it was asked for", self.url)
            self._skip = position - first
            return
        start, end = self._wanted_place(total)
        if first > start or (stop is not None and end is not None and stop < end):
            raise BrokenBodyError(
                f"asked for bytes {start} to {end}, answered {first} to {stop} of {total}", self.url
            )
        self._first, self._stop, self._skip = start, end, start - first
        if self._stop is None:
            self._stop = stop

    def _wanted_place(self, total: int | None) -> tuple[int, int | None]:
        """Absolute place of what is wanted within an object of ``total`` bytes."""
        wanted = self.wanted
        if wanted.is_suffix:
            if total is None:
                raise BrokenBodyError("the end of an object of unknown length", self.url)
            return max(0, total + wanted.start), total
        end = wanted.stop
        if total is not None:
            end = total if end is None else min(end, total)
            return min(wanted.start, total), max(min(wanted.start, total), end)
        return wanted.start, end

    def feed(self, data: bytes) -> bool:
        """Take bytes of the body.

        Returns
        -------
        bool
            False once the read has all it wants, so that the rest of the body can be left.
        """
        if self._skip:
            dropped = min(self._skip, len(data))
            self._skip -= dropped
            data = data[dropped:]
        expected = self.expected_bytes
        if expected is not None and len(data) > expected - self._received:
            data = data[: expected - self._received]
        if data:
            self.sink.write(data)
            self._received += len(data)
        return expected is None or self._received < expected

    def finish(self) -> None:
        """Check that a body which ended was complete.

        Raises
        ------
        BrokenBodyError
            When bytes are missing. The transfer can go on with another request.
        """
        expected = self.expected_bytes
        if expected is None or self._received == expected:
            return
        if self._length_unknown:
            return  # chunked coding told the end: the object is shorter than the range
        raise BrokenBodyError(
            f"the body broke off after {self._received} of {expected} bytes",
            self.url,
            retryable=True,
        )
