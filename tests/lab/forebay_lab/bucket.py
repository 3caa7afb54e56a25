"""A small S3 bucket that can be written, in memory, and that dies, hangs or is full on command."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

#: Keys in a page of a listing: few, so that several pages are asked for.
PAGE = 3


class Bucket:
    """One bucket, ``cold``, for anybody, by its S3 API. Use as a context manager. Thread-safe."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.lock = threading.Lock()
        self.write_status = 0  #: answer to every PUT, where it is not 0
        self.dead = False  #: connections are closed without a word
        self.hangs = False  #: no answer until the bucket is closed
        self.requests: list[str] = []  #: "GET key"
        self._ended = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def url(self, prefix: str) -> str:
        """As an operator writes it."""
        endpoint = f"http://127.0.0.1:{self._server.server_port}"
        return f"s3://cold/{prefix}?endpoint={endpoint}&region=here&style=path&anonymous=true"

    def packs(self) -> list[str]:
        """Keys of packs that are there."""
        with self.lock:
            return [key for key in self.objects if key.endswith(".pack")]

    def damage(self) -> None:
        """Another bit in each 1000 bytes of the payload of every pack."""
        with self.lock:
            for key in [each for each in self.objects if each.endswith(".pack")]:
                body = bytearray(self.objects[key])
                for at in range(100, len(body) - 64 * 1024, 1000):
                    body[at] ^= 1
                self.objects[key] = bytes(body)

    def wait_ended(self) -> None:
        """For an answer that never comes."""
        self._ended.wait(60)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, bucket: Bucket) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bucket = bucket


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, status: int, body: bytes = b"", **fields: str) -> None:
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    @property
    def _bucket(self) -> Bucket:
        assert isinstance(self.server, _Server)
        return self.server.bucket

    def _begin(self) -> tuple[str, dict[str, list[str]]] | None:
        parts = urlsplit(self.path)
        key = unquote(parts.path).removeprefix("/cold").removeprefix("/")
        with self._bucket.lock:
            self._bucket.requests.append(f"{self.command} {key}")
        if self._bucket.hangs:
            self._bucket.wait_ended()
        if self._bucket.dead or self._bucket.hangs:
            self.close_connection = True
            return None
        return key, parse_qs(parts.query, keep_blank_values=True)

    def do_GET(self) -> None:
        begun = self._begin()
        if begun is None:
            return
        key, query = begun
        if not key:
            self._answer(200, _page(self._bucket, query), Content_Type="application/xml")
            return
        with self._bucket.lock:
            body = self._bucket.objects.get(key)
        if body is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        tag = f'"{len(body)}"'
        wanted = self.headers.get("Range")
        if wanted is None:
            self._answer(200, body, ETag=tag)
            return
        first, last = wanted.removeprefix("bytes=").split("-")
        end = min(int(last) + 1, len(body))
        span = f"bytes {first}-{end - 1}/{len(body)}"
        self._answer(206, body[int(first) : end], ETag=tag, Content_Range=span)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        begun = self._begin()
        if begun is None:
            return
        key, _ = begun
        if self._bucket.write_status:
            self._answer(self._bucket.write_status, b"<Error><Code>QuotaExceeded</Code></Error>")
            return
        with self._bucket.lock:
            taken = key in self._bucket.objects and self.headers.get("If-None-Match") == "*"
            if not taken:
                self._bucket.objects[key] = body
        self._answer(412 if taken else 200)

    def do_DELETE(self) -> None:
        begun = self._begin()
        if begun is None:
            return
        with self._bucket.lock:
            self._bucket.objects.pop(begun[0], None)
        self._answer(204)


def _page(bucket: Bucket, query: dict[str, list[str]]) -> bytes:
    prefix = query.get("prefix", [""])[0]
    after = query.get("continuation-token", query.get("start-after", [""]))[0]
    with bucket.lock:
        keys = sorted(key for key in bucket.objects if key.startswith(prefix) and key > after)
        sizes = {key: len(bucket.objects[key]) for key in keys}
    shown = keys[:PAGE]
    rows = "".join(
        f"<Contents><Key>{escape(quote(key, safe='/'))}</Key><Size>{sizes[key]}</Size>"
        f"<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
        for key in shown
    )
    more = len(keys) > PAGE
    token = f"<NextContinuationToken>{escape(shown[-1])}</NextContinuationToken>" if more else ""
    return (
        f"<ListBucketResult><Name>cold</Name><EncodingType>url</EncodingType>"
        f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{rows}</ListBucketResult>"
    ).encode()
