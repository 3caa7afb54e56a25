"""The hosts that the documents name, on loopback: what a node reaches through its outbound proxy.

A node that is given ``proxy_url`` as its proxy and ``ca_bundle`` as its authorities finds every host of ``stores``
at the address that the documents write, by TLS, and nothing of it leaves this machine.
"""

from __future__ import annotations

import hashlib
import ssl
import subprocess
import threading
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

#: Long ago: what a node takes for a strong validator, and for fresh without a word of the store.
MODIFIED = "Thu, 01 Jan 2015 00:00:00 GMT"
CERTIFICATE_NAMES = ("*.example.org", "*.s3.us-east-1.amazonaws.com", "*.s3.us-west-2.amazonaws.com")


@dataclass
class Store:
    """One host. Its objects by path (not encoded, from '/')."""

    objects: dict[str, bytes] = field(default_factory=dict)
    access_key: str | None = None  #: who must have signed (SigV4); the signature itself is the laboratory's matter
    region: str | None = None  #: 301 with this region to every request, as S3 answers in a wrong one
    headers: dict[str, str] = field(default_factory=dict)  #: of every good answer

    def put_tree(self, prefix: str, directory: Path) -> None:
        """Every file below ``directory``, below ``prefix``."""
        for path in sorted(each for each in directory.rglob("*") if each.is_file()):
            self.objects[f"{prefix}/{path.relative_to(directory).as_posix()}"] = path.read_bytes()


class World:
    """A running proxy in front of stores. Use as a context manager; ``stores`` may be filled at any time."""

    def __init__(self, directory: Path) -> None:
        self.stores: dict[str, Store] = {}
        self.strangers: list[str] = []  #: hosts that were asked for and that nobody named here
        self.requests: list[str] = []  #: "GET host/path", as they came
        self.ca_bundle = directory / "world.pem"
        key = directory / "world.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", "2", "-subj", "/CN=the hosts of the documents", "-keyout", key, "-out", self.ca_bundle,
             "-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in CERTIFICATE_NAMES)],
            check=True, capture_output=True,
        )  # fmt: skip
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(self.ca_bundle, key)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.world, self._server.tls = self, tls
        self.proxy_url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> World:
        threading.Thread(target=self._server.serve_forever, name="world", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    world: World
    tls: ssl.SSLContext

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that leave are no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_CONNECT(self) -> None:
        """The tunnel ends here, in a TLS server that is every host."""
        self.send_response_only(200)
        self.end_headers()
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb")
        self.close_connection = False

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        host, path = url.hostname or self.headers["Host"].partition(":")[0], unquote(url.path)
        world = self.server.world
        world.requests.append(f"{self.command} {host}{path}")
        store = world.stores.get(host)
        if store is None:
            world.strangers.append(host)
            return self._answer(404)
        if store.region:
            return self._answer(301, {"x-amz-bucket-region": store.region})
        if store.access_key and f"Credential={store.access_key}/" not in self.headers.get("Authorization", ""):
            return self._answer(403)
        query = parse_qs(url.query, keep_blank_values=True)
        if "list-type" in query:
            return self._answer(200, {"Content-Type": "application/xml"}, _listing(store, path, query))
        body = store.objects.get(path)
        if body is None:
            page = _index(store, path) if path.endswith("/") else None
            return self._answer(404) if page is None else self._answer(200, {"Content-Type": "text/html"}, page)
        return self._answer_object(store, body)

    do_HEAD = do_GET  # noqa: N815

    def _answer_object(self, store: Store, body: bytes) -> None:
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        fields = {"ETag": etag, "Last-Modified": MODIFIED, "Accept-Ranges": "bytes", **store.headers}
        if self.headers.get("If-None-Match") == etag:
            return self._answer(304, fields)
        if self.headers.get("If-Match", etag) != etag:
            return self._answer(412)
        wanted = self.headers.get("Range")
        if wanted is None:
            return self._answer(200, fields, body)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        begin = int(first) if first else max(0, len(body) - int(last))
        end = min(int(last) + 1, len(body)) if first and last else len(body)
        if begin >= len(body):
            return self._answer(416, {"Content-Range": f"bytes */{len(body)}"})
        fields["Content-Range"] = f"bytes {begin}-{end - 1}/{len(body)}"
        return self._answer(206, fields, body[begin:end])

    def _answer(self, status: int, fields: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response_only(status)
        for name, value in {"Date": formatdate(usegmt=True), **(fields or {})}.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _listing(store: Store, path: str, query: dict[str, list[str]]) -> bytes:
    """A page of ListObjectsV2. ``path`` is the bucket's, in path style. A token is the last name of the page before."""
    bucket = path.rstrip("/") + "/"
    prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
    entries: dict[str, bytes | None] = {}
    for name, body in store.objects.items():
        if not name.startswith(bucket + prefix):
            continue
        key = name.removeprefix(bucket)
        below, cut, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
        if cut:
            entries[prefix + below + cut] = None
        else:
            entries[key] = body
    after = query.get("continuation-token", query.get("start-after", [""]))[0]
    names = [name for name in sorted(entries) if name > after]
    page = names[: int(query.get("max-keys", ["1000"])[0])]
    parts = []
    for name in page:
        if (body := entries[name]) is None:
            parts.append(f"<CommonPrefixes><Prefix>{quote(name)}</Prefix></CommonPrefixes>")
            continue
        tag = hashlib.md5(body).hexdigest()
        parts.append(
            f"<Contents><Key>{quote(name)}</Key><Size>{len(body)}</Size><ETag>&quot;{tag}&quot;</ETag>"
            "<LastModified>2015-01-01T00:00:00.000Z</LastModified></Contents>"
        )
    more = len(page) < len(names)
    token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
    return (
        f"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>"
        f"{token}{''.join(parts)}</ListBucketResult>"
    ).encode()


def _index(store: Store, path: str) -> bytes | None:
    """An index page of the kind that web servers write; nothing where there is no such directory."""
    names = set()
    for name in store.objects:
        if name.startswith(path):
            child, slash, _ = name[len(path) :].partition("/")
            names.add(child + slash)
    if not names:
        return None
    links = "".join(f'<li><a href="{quote(name)}">{escape(name)}</a></li>\n' for name in sorted(names))
    title = f"Directory listing for {escape(path)}"
    head = f"<!DOCTYPE HTML>\n<html><head><title>{title}</title></head>"
    return f"{head}<body><h1>{title}</h1><ul>\n{links}</ul></body></html>".encode()
