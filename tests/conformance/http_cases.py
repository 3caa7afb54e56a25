"""Cases of HTTP conformance in a compact form: what a client sends, what the origin answers, what must come of it.

A step with a ``Reply`` must reach the origin; a step without one must be answered from the cache. Time is not waited
for: an answer is made old by its Age.
"""

from __future__ import annotations

import http.client
import itertools
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time
from typing import Any, Self

Fields = Sequence[tuple[str, str]]

TIMEOUT_S = 30.0
BODY = b"0123456789"


def date(seconds: float = 0) -> str:
    """An HTTP date so many seconds from now."""
    return formatdate(time() + seconds, usegmt=True)


@dataclass(frozen=True)
class Reply:
    """What the origin answers; ``drop``: it closes the connection instead."""

    fields: Fields = ()
    status: int = 200
    body: bytes = BODY
    drop: bool = False
    chunked: bool = False
    dated: bool = True
    interim: Sequence[tuple[int, Fields]] = ()
    trailers: Fields = ()  #: with ``chunked``
    until: threading.Event | None = None  #: the answer waits for it


@dataclass(frozen=True)
class Step:
    """One request. ``reply`` None: the origin must not be asked."""

    reply: Reply | None = None
    send: Fields = ()
    method: str = "GET"
    content: bytes | None = None
    below: str = ""  #: appended to the case's path
    status: int = 200
    body: bytes | None = None
    has: Fields = ()  #: fields of the answer, with these values
    lacks: Sequence[str] = ()
    at_least: Sequence[tuple[str, int]] = ()
    saw: Fields = ()  #: fields that the origin was sent
    saw_not: Sequence[str] = ()


@dataclass(frozen=True)
class Case:
    name: str
    rule: str  #: where it is written
    steps: Sequence[Step]


def kept(*fields: tuple[str, str], **options: Any) -> Reply:
    """An answer that is fresh for an hour."""
    return Reply((("Cache-Control", "max-age=3600"), *fields), **options)


def stale(*fields: tuple[str, str], control: str = "max-age=60", age: int = 70, **options: Any) -> Reply:
    """An answer that is stored stale."""
    return Reply((("Cache-Control", control), ("Age", str(age)), *fields), **options)


def get(reply: Reply | None = None, *send: tuple[str, str], **options: Any) -> Step:
    return Step(reply, send, **options)


def not_modified(*fields: tuple[str, str]) -> Reply:
    return Reply(fields, status=304)


def whole(name: str, rule: str, *steps: Step) -> Case:
    return Case(name, rule, steps)


@dataclass
class Seen:
    """A request as the origin saw it."""

    method: str
    fields: dict[str, str]
    content: bytes


@dataclass
class _Script:
    replies: list[Reply] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)


class ScriptedOrigin:
    """Answers each request below a path with the next reply that was set for it, and remembers what it was asked."""

    def __init__(self) -> None:
        self._scripts: dict[str, _Script] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._make_handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def script(self, path: str) -> _Script:
        with self._lock:
            return self._scripts.setdefault("/" + path.split("/")[1].split("?")[0], _Script())

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _make_handler(self) -> type[BaseHTTPRequestHandler]:
        origin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65537)
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                with suppress(BrokenPipeError, ConnectionResetError):
                    origin._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        length = int(request.headers.get("content-length") or 0)
        content = request.rfile.read(length) if length else _read_chunked(request)
        script = self.script(request.path)
        fields: dict[str, str] = {}
        for name, value in request.headers.items():
            fields[name.lower()] = f"{fields[name.lower()]}, {value}" if name.lower() in fields else value
        with self._lock:
            script.seen.append(Seen(request.command, fields, content))
            reply = script.replies.pop(0) if script.replies else Reply(status=418, body=b"not in the script")
        if reply.until is not None:
            reply.until.wait(TIMEOUT_S)
        if reply.drop:  # in the middle of a head: a client that found nothing at all would ask again
            request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-")
            request.close_connection = True
            return
        for status, interim in reply.interim:
            request.wfile.write(_head(status, interim))
        request.wfile.write(_head(reply.status, _framed(reply)))
        if request.command != "HEAD" and reply.status not in (204, 304):
            request.wfile.write(_chunks(reply) if reply.chunked else reply.body)
        request.wfile.flush()


def _read_chunked(request: BaseHTTPRequestHandler) -> bytes:
    if "chunked" not in request.headers.get("transfer-encoding", ""):
        return b""
    content = b""
    while size := int(request.rfile.readline().split(b";")[0], 16):
        content += request.rfile.read(size)
        request.rfile.readline()
    request.rfile.readline()
    return content


def _chunks(reply: Reply) -> bytes:
    trailers = "".join(f"{name}: {value}\r\n" for name, value in reply.trailers).encode("latin-1")
    return b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(reply.body), reply.body, trailers)


def _head(status: int, fields: Fields) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def _framed(reply: Reply) -> Fields:
    fields = list(reply.fields)
    names = {name.lower() for name, _ in fields}
    if reply.dated and "date" not in names:
        fields.append(("Date", date()))
    if reply.status in (204, 304):
        return fields
    if reply.chunked:
        return [*fields, ("Transfer-Encoding", "chunked")]
    return fields if "content-length" in names else [*fields, ("Content-Length", str(len(reply.body)))]


@dataclass(frozen=True)
class Answer:
    status: int
    fields: dict[str, str]
    body: bytes


def ask(port: int, path: str, step: Step) -> Answer:
    """One request over a connection of its own, with exactly these fields."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.putrequest(step.method, path, skip_accept_encoding=True)
        for name, value in step.send:
            connection.putheader(name, value)
        if step.content is not None:
            connection.putheader("Content-Length", str(len(step.content)))
        connection.endheaders(step.content)
        answer = connection.getresponse()
        fields: dict[str, str] = {}
        for name, value in answer.getheaders():
            name = name.lower()
            fields[name] = f"{fields[name]}, {value}" if name in fields else value
        return Answer(answer.status, fields, answer.read())
    finally:
        connection.close()


_numbers = itertools.count(1)


def run(case: Case, origin: ScriptedOrigin, port: int, prefix: str = "") -> None:
    """Plays the case at a path of its own, and checks every step."""
    path = f"/case{next(_numbers)}"
    for number, step in enumerate(case.steps, 1):
        here = f"{case.name}, step {number}"
        script = origin.script(path)
        script.replies[:] = [step.reply] if step.reply else []
        script.seen.clear()
        answer = ask(port, prefix + path + step.below, step)
        assert len(script.seen) == (1 if step.reply else 0), f"{here}: asked the origin {len(script.seen)} times"
        _check(here, step, answer)
        if script.seen:
            _check_seen(here, step, script.seen[0])


def _check(here: str, step: Step, answer: Answer) -> None:
    assert answer.status == step.status, f"{here}: {answer}"
    if step.body is not None:
        assert answer.body == step.body, f"{here}: {answer}"
    for name, value in step.has:
        assert answer.fields.get(name.lower()) == value, f"{here}: {name}: {answer}"
    for name in step.lacks:
        assert name.lower() not in answer.fields, f"{here}: {name}: {answer}"
    for name, least in step.at_least:
        assert int(answer.fields[name.lower()]) >= least, f"{here}: {name}: {answer}"


def _check_seen(here: str, step: Step, seen: Seen) -> None:
    assert seen.method == step.method, here
    if step.content is not None and step.method not in ("GET", "HEAD"):
        assert seen.content == step.content, here
    for name, value in step.saw:
        assert seen.fields.get(name.lower()) == value, f"{here}: {name}: {seen}"
    for name in step.saw_not:
        assert name.lower() not in seen.fields, f"{here}: {name}: {seen}"
