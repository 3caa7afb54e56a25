"""An HTTP/1.1 origin that misbehaves on command, and counts what it was asked.

It is a sound origin (validators, ranges, conditions) until a ``Fault`` is queued for a path. Nothing in it waits
for time to pass: a stall lasts until the test opens the ``Gate``.
"""

from __future__ import annotations

import hashlib
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from typing import Protocol
from urllib.parse import unquote

from .namespaces import HERE, Place

#: A gate that nobody opens lets go after this, so that a failing test ends.
GATE_TIMEOUT_S = 60.0
#: How much is sent at a time.
PIECE_BYTES = 64 * 1024
#: Last-Modified of an object for which the test gives none: long ago, so that it is a strong validator.
DEFAULT_MODIFIED = "Thu, 01 Jan 2015 00:00:00 GMT"

EVERY_TIME = -1


class Gate:
    """Where an answer stops until the test lets it go on."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._opened = threading.Event()

    def wait_reached(self, timeout_s: float = GATE_TIMEOUT_S) -> None:
        """For the test: returns when an answer has come to the gate."""
        if not self._reached.wait(timeout_s):
            raise TimeoutError("no answer of the origin came to the gate")

    def open(self) -> None:
        """For the test: lets every answer through, now and later."""
        self._opened.set()

    def pass_through(self) -> None:
        """For the origin."""
        self._reached.set()
        self._opened.wait(GATE_TIMEOUT_S)


class Content(Protocol):
    """A body: ``bytes``, or something that makes the bytes of a part when it is asked for them."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> bytes: ...


@dataclass(frozen=True)
class Resource:
    """One version of an object, as a sound origin would serve it."""

    body: Content
    etag: str | None = None  #: with its quotes; None: none is sent
    last_modified: str | None = DEFAULT_MODIFIED
    headers: tuple[tuple[str, str], ...] = ()  #: further ones, such as Cache-Control
    chunked: bool = False  #: no Content-Length; the length is unknown until the end
    ranges: bool = True  #: False: every answer is the whole object, without Accept-Ranges


@dataclass(frozen=True)
class Fault:
    """What is wrong with an answer. Byte positions count from the start of the answer's body."""

    status: int | None = None  #: this error (or redirect) instead of the object
    headers: tuple[tuple[str, str], ...] = ()  #: sent as well, such as Retry-After or Location
    body: bytes = b""  #: of the error
    stall_at: int | None = None  #: stop here until ``gate`` opens; -1: before the head
    gate: Gate | None = None
    reset_at: int | None = None  #: end the connection with RST here; -1: before the head
    truncate_at: int | None = None  #: end the connection with FIN here
    claim_length: int | None = None  #: Content-Length, whatever the truth is
    content_range: str | None = None  #: Content-Range of a 206, whatever the truth is
    ignore_range: bool = False  #: 200 and the whole object in answer to a range
    at: int | None = None  #: call ``then`` here
    then: Callable[[], None] | None = None


@dataclass
class SeenRequest:
    """A request as it came, and what became of it."""

    method: str
    path: str  #: as on the wire, percent-encoded, with the query
    headers: dict[str, str]  #: names in lower case
    status: int = 0
    bytes_sent: int = 0  #: of the body, given to the kernel
    complete: bool = False  #: the whole answer was given to the kernel


@dataclass
class _Shelf:
    resource: Resource
    faults: deque[Fault] = field(default_factory=deque)
    always: Fault | None = None


class _GoneError(Exception):
    """This connection is over."""


class HostileOrigin:
    """A running origin. Use as a context manager. Thread-safe."""

    def __init__(self, place: Place = HERE, address: str = "127.0.0.1", port: int = 0) -> None:
        """``port`` is for an origin that comes back where another was closed."""
        with place.entered():
            self._listener = socket.create_server((address, port), backlog=256)
        self.address = address
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://{address}:{self.port}"
        self._lock = threading.Lock()
        self._shelves: dict[str, _Shelf] = {}
        self._seen: list[SeenRequest] = []
        self._open: set[socket.socket] = set()
        #: Says of each request what is wrong with it before the object is looked for; None: nothing.
        self.guard: Callable[[SeenRequest], Fault | None] | None = None
        self._changed = threading.Condition(self._lock)
        threading.Thread(target=self._accept, name="origin", daemon=True).start()

    # --- what the test says ----------------------------------------------------------------------------------

    def put(self, path: str, body: Content, *, etag: str | None = "", **options: object) -> Resource:
        """Puts an object at ``path`` (not encoded), or replaces it. ``etag=""`` derives one from the body.

        An answer that has begun goes on with the version that it began with, as in a real store.
        """
        if etag == "":
            etag = f'"{hashlib.md5(body[0 : len(body)]).hexdigest()}"'
        resource = Resource(body, etag, **options)  # type: ignore[arg-type]
        with self._lock:
            shelf = self._shelves.setdefault(path, _Shelf(resource))
            shelf.resource = resource
        return resource

    def remove(self, path: str) -> None:
        """The object is gone: 404 from now on."""
        with self._lock:
            self._shelves.pop(path, None)

    def fail(self, path: str, fault: Fault, *, times: int = 1) -> None:
        """The next ``times`` answers for ``path`` have this fault (EVERY_TIME: all, once the queue is empty)."""
        with self._lock:
            shelf = self._shelves[path]
            if times == EVERY_TIME:
                shelf.always = fault
            else:
                shelf.faults.extend([fault] * times)

    def behave(self, path: str) -> None:
        """Forgets the faults that are left for ``path``."""
        with self._lock:
            self._shelves[path].faults.clear()
            self._shelves[path].always = None

    # --- what the test asks ----------------------------------------------------------------------------------

    def requests(self, path: str | None = None, *, method: str | None = None) -> list[SeenRequest]:
        """What came so far, in order; ``path`` is compared decoded and without the query."""
        with self._lock:
            return [
                seen
                for seen in self._seen
                if (path is None or _object_path(seen.path) == path) and (method is None or seen.method == method)
            ]

    def forget_requests(self) -> None:
        """For a test that runs long: what came so far is no longer told."""
        with self._lock:
            self._seen.clear()

    def bytes_sent(self, path: str | None = None) -> int:
        """Bytes of bodies given to the kernel."""
        return sum(seen.bytes_sent for seen in self.requests(path))

    def wait_requests(self, count: int, path: str | None = None, *, timeout_s: float = GATE_TIMEOUT_S) -> None:
        """Returns when at least so many requests have come."""

        def enough() -> bool:
            return sum(path is None or _object_path(seen.path) == path for seen in self._seen) >= count

        with self._changed:
            if not self._changed.wait_for(enough, timeout_s):
                raise TimeoutError(f"the origin saw fewer than {count} requests for {path}")

    def close(self) -> None:
        """Stops listening and ends every connection, as a dead machine's kernel would not."""
        _shut(self._listener)  # wakes the thread that accepts
        self._listener.close()
        with self._lock:
            for connection in self._open:
                _shut(connection)

    def __enter__(self) -> HostileOrigin:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- inside ----------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # Ends quietly when the client leaves, and when a fault ends the connection.
        with suppress(_GoneError, OSError, ValueError), connection.makefile("rb") as lines:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while request := _read_request(lines):
                self._answer(connection, request)
        with self._lock:
            self._open.discard(connection)
        connection.close()

    def _answer(self, connection: socket.socket, request: SeenRequest) -> None:
        with self._changed:
            self._seen.append(request)
            shelf = self._shelves.get(_object_path(request.path))
            fault = Fault()
            if shelf:
                fault = shelf.faults.popleft() if shelf.faults else shelf.always or fault
            resource = shelf.resource if shelf else None
            self._changed.notify_all()
        if self.guard and (refusal := self.guard(request)):
            fault = refusal
        if fault.stall_at == -1 and fault.gate:
            fault.gate.pass_through()
        if fault.reset_at == -1:
            _reset(connection)
        status, headers, body = _compose(request, resource, fault)
        request.status = status
        head = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Answer')}", f"Date: {formatdate(usegmt=True)}"]
        head += [f"{name}: {value}" for name, value in headers]
        connection.sendall("\r\n".join(head).encode("latin-1") + b"\r\n\r\n")
        if request.method != "HEAD" and status not in (204, 304):
            chunked = any(name == "Transfer-Encoding" for name, _ in headers)
            self._send_body(connection, request, body, fault, chunked)
        request.complete = True
        if dict(headers).get("Connection") == "close":
            raise _GoneError

    def _send_body(
        self, connection: socket.socket, request: SeenRequest, body: Content, fault: Fault, chunked: bool
    ) -> None:
        events = (fault.stall_at, fault.reset_at, fault.truncate_at, fault.at)
        stops = sorted({place for place in events if place and 0 < place < len(body)} | {len(body)})
        sent = 0
        _apply_events(connection, fault, sent)
        for stop in stops:
            while sent < stop:
                piece = body[sent : min(stop, sent + PIECE_BYTES)]
                connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                sent += len(piece)
                request.bytes_sent = sent
            if sent:
                _apply_events(connection, fault, sent)
        if chunked:
            connection.sendall(b"0\r\n\r\n")


_REASONS = {
    200: "OK", 206: "Partial Content", 301: "Moved Permanently", 302: "Found", 304: "Not Modified",
    307: "Temporary Redirect", 308: "Permanent Redirect", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 412: "Precondition Failed", 416: "Range Not Satisfiable",
    429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Gateway Timeout",
}  # fmt: skip


def _apply_events(connection: socket.socket, fault: Fault, sent: int) -> None:
    if fault.at == sent and fault.then:
        fault.then()
    if fault.stall_at == sent and fault.gate:
        fault.gate.pass_through()
    if fault.reset_at == sent:
        _reset(connection)
    if fault.truncate_at == sent:
        _shut(connection)
        raise _GoneError


def _compose(
    request: SeenRequest, resource: Resource | None, fault: Fault
) -> tuple[int, list[tuple[str, str]], Content]:
    """Status, headers and body of the answer."""
    if fault.status is not None:
        return fault.status, [("Content-Length", str(len(fault.body))), *fault.headers], fault.body
    if resource is None:
        return 404, [("Content-Length", "0")], b""
    if request.method not in ("GET", "HEAD"):
        # Its body, if it has one, is not read; so this connection cannot go on.
        return 405, [("Content-Length", "0"), ("Allow", "GET, HEAD"), ("Connection", "close")], b""
    headers = [*resource.headers, *fault.headers]
    headers += [("ETag", resource.etag)] if resource.etag else []
    headers += [("Last-Modified", resource.last_modified)] if resource.last_modified else []
    refused = _check_conditions(request, resource)
    if refused == 304:
        return 304, headers, b""
    if refused:
        return refused, [("Content-Length", "0")], b""
    total = len(resource.body)
    status = 200
    body: Content = resource.body
    byte_range = _parse_range(request, resource, total) if resource.ranges and not fault.ignore_range else None
    if byte_range == ():
        return 416, [("Content-Length", "0"), ("Content-Range", f"bytes */{total}")], b""
    if byte_range:
        first, last = byte_range
        status, body = 206, resource.body[first : last + 1]
        headers.append(("Content-Range", fault.content_range or f"bytes {first}-{last}/{total}"))
    headers += [("Accept-Ranges", "bytes")] if resource.ranges else []
    if resource.chunked and status == 200:
        headers.append(("Transfer-Encoding", "chunked"))
    else:
        length = len(body) if fault.claim_length is None else fault.claim_length
        headers.append(("Content-Length", str(length)))
        if length != len(body):
            headers.append(("Connection", "close"))
    return status, headers, body


def _check_conditions(request: SeenRequest, resource: Resource) -> int | None:
    """RFC 9110 section 13.2.2, in its order; None: go on."""
    asked = request.headers
    if "if-match" in asked:
        if not _etag_listed(asked["if-match"], resource.etag, weak=False):
            return 412
    elif "if-unmodified-since" in asked and _modified_after(resource, asked["if-unmodified-since"]):
        return 412
    if "if-none-match" in asked:
        if _etag_listed(asked["if-none-match"], resource.etag, weak=True):
            return 304
    elif "if-modified-since" in asked and not _modified_after(resource, asked["if-modified-since"]):
        return 304
    return None


def _etag_listed(listed: str, etag: str | None, *, weak: bool) -> bool:
    if listed.strip() == "*":
        return True
    if etag is None or (etag.startswith("W/") and not weak):
        return False
    return etag.removeprefix("W/") in [
        one.strip().removeprefix("W/") if weak else one.strip() for one in listed.split(",")
    ]


def _modified_after(resource: Resource, date: str) -> bool:
    if resource.last_modified is None:
        return True
    return parsedate_to_datetime(resource.last_modified) > parsedate_to_datetime(date)


def _parse_range(request: SeenRequest, resource: Resource, total: int) -> tuple[int, int] | tuple[()] | None:
    """First and last byte; () where none of it exists; None: the whole object (also for several ranges)."""
    text = request.headers.get("range", "")
    if request.method != "GET" or not text.startswith("bytes=") or "," in text:
        return None
    if_range = request.headers.get("if-range")
    if if_range and if_range not in (resource.etag, resource.last_modified):
        return None
    first_text, _, last_text = text.removeprefix("bytes=").partition("-")
    if not first_text:
        suffix = min(int(last_text), total)
        return (total - suffix, total - 1) if suffix else ()
    first = int(first_text)
    last = min(int(last_text), total - 1) if last_text else total - 1
    return (first, last) if first < total else ()


def _read_request(lines: Iterable[bytes]) -> SeenRequest | None:
    """The next request of a connection; None when the client has closed it."""
    reader = iter(lines)
    start = next(reader, b"").decode("latin-1").split()
    if len(start) != 3:
        return None
    headers: dict[str, str] = {}
    for line in reader:
        text = line.decode("latin-1").strip()
        if not text:
            break
        name, _, value = text.partition(":")
        headers[name.strip().lower()] = value.strip()
    return SeenRequest(start[0], start[1], headers)


def _object_path(target: str) -> str:
    return unquote(target.partition("?")[0])


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    raise _GoneError


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # gone already
        connection.shutdown(socket.SHUT_RDWR)
