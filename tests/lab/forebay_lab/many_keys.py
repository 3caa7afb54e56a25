"""A bucket of any number of keys that exists nowhere: its pages are made when they are asked for."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, quote, urlsplit

#: Keys are "01234/567": a thousand in each directory, as in a Zarr array of two dimensions.
KEYS_PER_DIRECTORY = 1000
_DIGITS = 5
_XML = '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'


_KEY = re.compile(r"<Key>([^<]*)</Key>")
_TOKEN = re.compile(r"<NextContinuationToken>([^<]*)</NextContinuationToken>")


def walk(url: str) -> Iterator[list[str]]:
    """The keys of the bucket at ``url``, page by page: a client that takes no time."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=60)
    token = ""
    while True:
        after = f"&continuation-token={quote(token)}" if token else ""
        connection.request("GET", f"{parts.path}?list-type=2&max-keys=1000{after}")
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {text[:500]}")
        yield _KEY.findall(text)
        found = _TOKEN.search(text)
        if not found:
            return
        token = found[1]


def key_of(number: int) -> str:
    return f"{number // KEYS_PER_DIRECTORY:0{_DIGITS}}/{number % KEYS_PER_DIRECTORY:03}"


class ManyKeys:
    """An S3 endpoint with one bucket, ``sea``, on loopback. Use as a context manager.

    Answers ListObjectsV2 without a prefix or with a directory as prefix, with and without the delimiter "/".
    """

    def __init__(self, keys: int) -> None:
        assert keys % KEYS_PER_DIRECTORY == 0
        self.keys = keys
        self.directories = keys // KEYS_PER_DIRECTORY
        self._lock = threading.Lock()
        self._requests: list[str] = []
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with store._lock:
                    store._requests.append(self.path)
                body = store._page(parse_qs(urlsplit(self.path).query))
                self.send_response(200 if body else 501)
                self.send_header("Content-Type", "application/xml")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def origin(self) -> str:
        """The URL for a node's configuration."""
        return f"s3://sea?endpoint={self.endpoint}&region=us-east-1&anonymous=true"

    def requests(self) -> list[str]:
        """The targets of the listings that were asked for, in order."""
        with self._lock:
            return list(self._requests)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _page(self, query: dict[str, list[str]]) -> bytes:
        prefix, most = query.get("prefix", [""])[0], int(query.get("max-keys", ["1000"])[0])
        after = query.get("start-after", [""])[0]
        begin = int(query["continuation-token"][0]) if "continuation-token" in query else 0
        if "delimiter" in query and not prefix:
            if after:
                return b""
            end = min(begin + most, self.directories)
            names = [f"{number:0{_DIGITS}}/" for number in range(begin, end)]
            entries = "".join(f"<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>" for name in names)
            return _document(entries, end, end < self.directories)
        first, last = 0, self.keys
        if prefix:
            if len(prefix) != _DIGITS + 1 or not prefix.endswith("/"):
                return b""
            first = int(prefix[:-1]) * KEYS_PER_DIRECTORY
            last = first + KEYS_PER_DIRECTORY
        if after:
            begin = int(after[:_DIGITS]) * KEYS_PER_DIRECTORY + int(after[_DIGITS + 1 :]) + 1
        begin = max(begin, first)
        end = min(begin + most, last)
        entries = "".join(
            f"<Contents><Key>{key_of(number)}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>&quot;{number:032x}&quot;</ETag><Size>{number}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for number in range(begin, end)
        )
        return _document(entries, end, end < last)


def _document(entries: str, next_number: int, truncated: bool) -> bytes:
    token = f"<NextContinuationToken>{next_number}</NextContinuationToken>" if truncated else ""
    said = "true" if truncated else "false"
    head = f"{_XML}<EncodingType>url</EncodingType><IsTruncated>{said}</IsTruncated>{token}"
    return f"{head}{entries}</ListBucketResult>".encode()
