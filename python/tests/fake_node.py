"""A node for tests: serves objects from memory, counts requests, and fails on command."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from aiohttp import web

Behaviour = Callable[["FakeNode", web.Request], Awaitable[web.StreamResponse]]

_START_TIMEOUT_S = 10

# Port 1 is reserved for a service that nobody runs: a connection is refused.
NO_NODE = "http://127.0.0.1:1"


@dataclass
class Stored:
    data: bytes
    etag: str | None = None
    modified_s: float = 1_700_000_000.0
    length_known: bool = True

    def __post_init__(self) -> None:
        if self.etag is None:
            self.etag = f'"{hashlib.md5(self.data).hexdigest()}"'

    def headers(self) -> dict[str, str]:
        fields = {"Last-Modified": formatdate(self.modified_s, usegmt=True), "Accept-Ranges": "bytes"}
        if self.etag:
            fields["ETag"] = self.etag
        return fields


@dataclass(frozen=True)
class Seen:
    """One request as the node saw it."""

    method: str
    target: str
    headers: dict[str, str] = field(compare=False, hash=False)

    @property
    def range(self) -> str | None:
        return self.headers.get("Range")


class FakeNode:
    """An HTTP server in a thread. ``objects`` are keyed by their decoded path below the root."""

    def __init__(self, signature: bool = True, index: bool = False, **headers: str) -> None:
        self.index = index  # answer a GET of a directory with links, as web servers do
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.objects: dict[str, Stored] = {}
        self.requests: list[Seen] = []
        self.served_bytes = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.signature = signature
        self.listing = True
        self.missing_status = 404
        self._scripts: dict[str, deque[Behaviour]] = {}
        self._always: dict[str, Behaviour] = {}
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="fake-node", daemon=True)
        self.port = 0

    # --- What a test says -------------------------------------------------------------------------

    def put(self, path: str, data: bytes, **options: object) -> None:
        self.objects[path] = Stored(data, **options)  # type: ignore[arg-type]

    def put_tree(self, prefix: str, tree: dict[str, bytes]) -> None:
        for name, data in tree.items():
            self.put(f"{prefix}/{name}", data)

    def script(self, path: str, *behaviours: Behaviour) -> None:
        """Answer the next GETs and HEADs of a path in these ways, then as usual."""
        self._scripts.setdefault(path, deque()).extend(behaviours)

    def always(self, path: str, behaviour: Behaviour) -> None:
        self._always[path] = behaviour

    def count(self, method: str | None = None, path: str | None = None) -> int:
        return len(self.seen(method, path))

    def seen(self, method: str | None = None, path: str | None = None) -> list[Seen]:
        return [
            one
            for one in self.requests
            if (method is None or one.method == method)
            and (path is None or unquote(one.target.partition("?")[0]).strip("/") == path.strip("/"))
        ]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # --- Life -------------------------------------------------------------------------------------

    def start(self, port: int = 0) -> FakeNode:
        self.port = port
        self._thread.start()
        if not self._started.wait(_START_TIMEOUT_S):
            raise RuntimeError("the fake node did not start")
        return self

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_START_TIMEOUT_S)

    def __enter__(self) -> FakeNode:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.1)

        async def start() -> None:
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", self.port)
            await site.start()
            self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

        self._loop.run_until_complete(start())
        self._started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _application(self) -> web.Application:
        application = web.Application()
        application.router.add_route("*", "/{tail:.*}", self._handle)
        application.on_response_prepare.append(self._sign)
        return application

    async def _sign(self, _request: web.Request, response: web.StreamResponse) -> None:
        response.headers.pop("Server", None)
        response.headers["Server"] = "test"
        if response.status < 400:
            response.headers.extend(self.headers)
        if self.signature:
            response.headers["Via"] = "1.1 forebay"
            response.headers["Cache-Status"] = "forebay; hit"

    # --- Answers ----------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(Seen(request.method, request.raw_path, dict(request.headers)))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            path = decoded_path(request)
            script = self._scripts.get(path)
            if script and request.method in ("GET", "HEAD", "PROPFIND"):
                return await script.popleft()(self, request)
            if path in self._always:
                return await self._always[path](self, request)
            if request.method == "PROPFIND":
                return self._list(request)
            return await self.answer(request)
        finally:
            self.in_flight -= 1

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a GET or HEAD as a good node does."""
        stored = self.objects.get(decoded_path(request)) or self.objects.get(
            request.raw_path.lstrip("/")  # with its query
        )
        if stored is None and self.index and request.raw_path.endswith("/"):
            return self._index(decoded_path(request))
        if stored is None:
            return problem(self.missing_status, "not-found", "no such object at the origin")
        wanted = request.headers.get("If-Match")
        if wanted is not None and wanted != stored.etag:
            return problem(412, "changed", "another version")
        text = request.headers.get("Range")
        headers = stored.headers()
        size = len(stored.data)
        if text is None or not stored.length_known:
            return await self._send(request, 200, headers, stored.data, stored.length_known)
        limits = limits_of_range(text, size)
        if limits is None:
            headers["Content-Range"] = f"bytes */{size}"
            return web.Response(status=416, headers=headers)
        start, stop = limits
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        return await self._send(request, 206, headers, stored.data[start:stop], True)

    async def _send(
        self, request: web.Request, status: int, headers: dict[str, str], data: bytes, length_known: bool
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers=headers)
        if length_known:
            response.content_length = len(data)
        else:
            response.enable_chunked_encoding()
        await response.prepare(request)
        if request.method != "HEAD":
            self.served_bytes += len(data)  # before the client can have them, and look here
            await response.write(data)
        await response.write_eof()
        return response

    def _index(self, path: str) -> web.Response:
        prefix = path + "/" if path else ""
        names = {
            head + slash
            for head, slash, _ in (
                name[len(prefix) :].partition("/") for name in self.objects if name.startswith(prefix)
            )
        }
        if not names:
            return problem(404, "not-found", "nothing here")
        links = "".join(f'<a href="{quote(name)}">{escape(name)}</a>\n' for name in sorted(names))
        text = f"<html><body><h1>Index of /{escape(path)}</h1><a href='../'>../</a>\n{links}</body></html>"
        return web.Response(text=text, content_type="text/html")

    def _list(self, request: web.Request) -> web.Response:
        path = decoded_path(request)
        if not self.listing:
            return problem(405, "no-listing", "this origin cannot list")
        depth = request.headers.get("Depth", "infinity")
        assert depth in ("0", "1")
        members: dict[str, Stored | None] = {}
        prefix = path + "/" if path else ""
        if path in self.objects and not request.raw_path.endswith("/"):
            return multistatus([(path, self.objects[path])])
        for name, stored in self.objects.items():
            if name.startswith(prefix):
                head, slash, _ = name[len(prefix) :].partition("/")
                if head:
                    members[prefix + head] = None if slash else stored
        if not members:
            return problem(404, "not-found", "nothing here")
        listed: list[tuple[str, Stored | None]] = [(prefix, None)]
        if depth == "1":
            listed += sorted(members.items())
        return multistatus(listed)


def decoded_path(request: web.Request) -> str:
    return unquote(request.raw_path.partition("?")[0], errors="surrogateescape").lstrip("/").rstrip("/")


def limits_of_range(text: str, size: int) -> tuple[int, int] | None:
    first, _, last = text.removeprefix("bytes=").partition("-")
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
    return (start, stop) if start < stop else None


def multistatus(members: list[tuple[str, Stored | None]]) -> web.Response:
    parts = ['<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus xmlns:D="DAV:">']
    for path, stored in members:
        href = "/" + quote(path.strip("/"), safe="/", errors="surrogateescape")
        if stored is None:
            properties = "<D:resourcetype><D:collection/></D:resourcetype>"
            href = href.rstrip("/") + "/"
        else:
            fields = stored.headers()
            properties = (
                f"<D:resourcetype/><D:getcontentlength>{len(stored.data)}</D:getcontentlength>"
                f"<D:getlastmodified>{fields['Last-Modified']}</D:getlastmodified>"
                f"<D:getetag>{escape(fields.get('ETag', ''))}</D:getetag>"
            )
        parts.append(
            f"<D:response><D:href>{escape(href)}</D:href><D:propstat><D:prop>{properties}</D:prop>"
            "<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
        )
    parts.append("</D:multistatus>")
    return web.Response(status=207, text="".join(parts), content_type="application/xml")


def problem(status: int, kind: str, detail: str, **headers: str) -> web.Response:
    return web.json_response(
        {"type": f"https://forebay.dev/problems/{kind}", "title": kind, "status": status, "detail": detail},
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        content_type="application/problem+json",
    )


# --- Ways to fail ---------------------------------------------------------------------------------


def fail(status: int, detail: str = "the origin is ill", **headers: str) -> Behaviour:
    async def behave(_node: FakeNode, _request: web.Request) -> web.StreamResponse:
        return problem(status, "failure", detail, **headers)

    return behave


def unknown_namespace() -> Behaviour:
    async def behave(_node: FakeNode, _request: web.Request) -> web.StreamResponse:
        return problem(404, "unknown-namespace", "no namespace here; see /")

    return behave


def only(method: str, behaviour: Behaviour) -> Behaviour:
    """Behave so for one method, and as usual for the others."""

    async def behave(node: FakeNode, request: web.Request) -> web.StreamResponse:
        return await (behaviour(node, request) if request.method == method else node.answer(request))

    return behave


def usual() -> Behaviour:
    async def behave(node: FakeNode, request: web.Request) -> web.StreamResponse:
        return await node.answer(request)

    return behave


def break_off(after_bytes: int | None = None, at_byte: int | None = None) -> Behaviour:
    """Promise the whole answer, send a part, close the connection.

    The part ends after so many bytes of the answer, or at a byte of the object.
    """

    async def behave(node: FakeNode, request: web.Request) -> web.StreamResponse:
        stored = node.objects[decoded_path(request)]
        size = len(stored.data)
        start, stop = limits_of_range(request.headers.get("Range", "bytes=0-"), size) or (0, 0)
        status = 206 if "Range" in request.headers else 200
        response = web.StreamResponse(status=status, headers=stored.headers())
        if status == 206:
            response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        response.content_length = stop - start
        await response.prepare(request)
        end = at_byte if after_bytes is None else start + after_bytes
        await response.write(stored.data[start:end])
        assert request.transport is not None
        request.transport.close()
        return response

    return behave


def close_at_once() -> Behaviour:
    async def behave(_node: FakeNode, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    return behave


def stall(event: threading.Event) -> Behaviour:
    """Say nothing until the test sets the event."""

    async def behave(_node: FakeNode, _request: web.Request) -> web.StreamResponse:
        await asyncio.get_running_loop().run_in_executor(None, event.wait, 30)
        return web.Response(status=500)

    return behave


def meet(count: int) -> Behaviour:
    """Answer as usual, once so many requests have been in flight together."""

    async def behave(node: FakeNode, request: web.Request) -> web.StreamResponse:
        async with asyncio.timeout(_START_TIMEOUT_S):
            while node.most_in_flight < count:
                await asyncio.sleep(0.001)
        return await node.answer(request)

    return behave


def answer_with(status: int, body: bytes, **headers: str) -> Behaviour:
    async def behave(_node: FakeNode, _request: web.Request) -> web.StreamResponse:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, body=body, headers=fields)

    return behave
