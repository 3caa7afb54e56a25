"""IPFS without IPFS: DAGs of real blocks, made here, and trustless gateways that serve them, or lie.

The encoder is written from the specifications (CIDv1, dag-pb, UnixFS, HAMT) and shares nothing with the program.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

RAW, DAG_PB = 0x55, 0x70
SHA2_256, BLAKE2B_256 = 0x12, 0xB220
FANOUT = 256
_FILE, _DIRECTORY, _SHARD = 2, 1, 5
_MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Linked:
    """A block's CID in binary and what directories and files say of it."""

    cid: bytes
    tree_bytes: int  #: of all blocks below and this one
    file_bytes: int = 0

    @property
    def text(self) -> str:
        """CIDv1 in base32."""
        return "b" + base64.b32encode(self.cid).decode().lower().rstrip("=")


def varint(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _bytes_field(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value


def _number_field(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def make_cid(block: bytes, codec: int, code: int = SHA2_256) -> bytes:
    digest = hashlib.sha256(block).digest()
    if code == BLAKE2B_256:
        digest = hashlib.blake2b(block, digest_size=32).digest()
    return varint(1) + varint(codec) + varint(code) + varint(len(digest)) + digest


def murmur3_x64_64(data: bytes) -> int:
    """The first half of MurmurHash3 x64-128 with seed 0."""

    def rotate(value: int, by: int) -> int:
        return (value << by | value >> (64 - by)) & _MASK

    def mix(value: int) -> int:
        value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & _MASK
        value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & _MASK
        return value ^ value >> 33

    c1, c2 = 0x87C37B91114253D5, 0x4CF5AD432745937F
    h1 = h2 = 0
    whole = len(data) // 16 * 16
    for at in range(0, whole, 16):
        k1, k2 = int.from_bytes(data[at : at + 8], "little"), int.from_bytes(data[at + 8 : at + 16], "little")
        h1 ^= rotate(k1 * c1 & _MASK, 31) * c2 & _MASK
        h1 = ((rotate(h1, 27) + h2) * 5 + 0x52DCE729) & _MASK
        h2 ^= rotate(k2 * c2 & _MASK, 33) * c1 & _MASK
        h2 = ((rotate(h2, 31) + h1) * 5 + 0x38495AB5) & _MASK
    tail = data[whole:]
    h2 ^= rotate(int.from_bytes(tail[8:], "little") * c2 & _MASK, 33) * c1 & _MASK
    h1 ^= rotate(int.from_bytes(tail[:8], "little") * c1 & _MASK, 31) * c2 & _MASK
    h1, h2 = h1 ^ len(data), h2 ^ len(data)
    h1 = (h1 + h2) & _MASK
    h2 = (h2 + h1) & _MASK
    h1, h2 = mix(h1), mix(h2)
    return (h1 + h2) & _MASK


@dataclass
class Blocks:
    """Blocks by the text of their CIDs, and what builds them."""

    stored: dict[str, bytes] = field(default_factory=dict)

    def add(
        self, block: bytes, codec: int, links: Iterable[Linked] = (), file_bytes: int = 0, code: int = SHA2_256
    ) -> Linked:
        made = Linked(make_cid(block, codec, code), len(block) + sum(one.tree_bytes for one in links), file_bytes)
        self.stored[made.text] = block
        return made

    def node(self, data: bytes, links: list[tuple[str, Linked]], file_bytes: int = 0) -> Linked:
        block = b""
        for name, to in links:
            link = _bytes_field(1, to.cid) + _bytes_field(2, name.encode()) + _number_field(3, to.tree_bytes)
            block += _bytes_field(2, link)
        return self.add(block + _bytes_field(1, data), DAG_PB, [to for _, to in links], file_bytes)

    def file(self, body: bytes, chunk: int = 1024, width: int = 4, code: int = SHA2_256) -> Linked:
        """A balanced tree of raw leaves, as ``ipfs add --cid-version 1`` makes it, with small numbers."""
        level = [
            self.add(body[at : at + chunk], RAW, (), len(body[at : at + chunk]), code)
            for at in range(0, max(len(body), 1), chunk)
        ]
        while len(level) > 1:
            level = [self._inner(level[at : at + width]) for at in range(0, len(level), width)]
        return level[0]

    def _inner(self, children: list[Linked]) -> Linked:
        total = sum(one.file_bytes for one in children)
        data = _number_field(1, _FILE) + _number_field(3, total)
        for one in children:
            data += _number_field(4, one.file_bytes)
        return self.node(data, [("", one) for one in children], total)

    def directory(self, entries: Mapping[str, Linked]) -> Linked:
        return self.node(_number_field(1, _DIRECTORY), sorted(entries.items()))

    def sharded(self, entries: Mapping[str, Linked], depth: int = 0) -> Linked:
        """A HAMT of fan-out 256; each level eats a byte of the name's hash."""
        slots: dict[int, dict[str, Linked]] = {}
        for name, to in entries.items():
            slots.setdefault(murmur3_x64_64(name.encode()).to_bytes(8, "big")[depth], {})[name] = to
        links, bits = [], 0
        for slot, held in sorted(slots.items()):
            bits |= 1 << slot
            if len(held) == 1:
                name, to = next(iter(held.items()))
                links.append((f"{slot:02X}{name}", to))
            else:
                links.append((f"{slot:02X}", self.sharded(held, depth + 1)))
        data = _number_field(1, _SHARD) + _bytes_field(2, bits.to_bytes(FANOUT // 8, "big"))
        return self.node(data + _number_field(5, 0x22) + _number_field(6, FANOUT), links)


class Gateway:
    """A trustless gateway on loopback. Use as a context manager."""

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks
        self.asked: list[str] = []  #: CIDs, in order
        self.lies = False  #: every block has its first byte changed
        self.status = 200  #: another one is the answer to everything
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                gateway._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Gateway:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        name = parts.path.removeprefix("/ipfs/")
        raw = parse_qs(parts.query).get("format") == ["raw"] and "vnd.ipld.raw" in (request.headers["Accept"] or "")
        self.asked.append(name)
        block = self.blocks.stored.get(name)
        status = self.status if self.status != 200 else 400 if not raw else 404 if block is None else 200
        body = block if status == 200 and block is not None else b"no"
        if self.lies and status == 200:
            body = bytes([body[0] ^ 1]) + body[1:] if body else b"x"
        request.send_response(status)
        request.send_header("Content-Type", "application/vnd.ipld.raw")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)
