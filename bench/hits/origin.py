"""An origin in a process of its own: serves the files by sendfile, also in ranges, and counts requests and bytes.

A thread for each connection; the threads sleep in the kernel while bytes go out, so that it is no slower than a server
of files. What it answers is fresh for a day and has a strong validator.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import re
import socket
import threading
import time
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path

HEAD_BYTES = 1 << 16
SENDFILE_BYTES = 1 << 20  # at once: also how much is counted late
MODIFIED = "Sun, 01 Feb 2026 00:00:00 GMT"
SETTLE_S = 1.0  # without a byte: nobody fetches any more
SETTLE_TIMEOUT_S = 60.0
PR_SET_PDEATHSIG = 1

_RANGE = re.compile(rb"\r\nrange: *bytes=(\d*)-(\d*)\r\n", re.IGNORECASE)
_CONDITION = re.compile(rb'\r\nif-(none-)?match: *"?([^"\r\n]*)"?\r\n', re.IGNORECASE)


class Origin:
    """Until `close`. Its counters only grow."""

    def __init__(self, files: Path, core: int | None = None) -> None:
        self._requests = multiprocessing.Value("q", 0)
        self._bytes = multiprocessing.Value("q", 0)
        listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = listening.getsockname()[1]
        context = multiprocessing.get_context("fork")
        self._process = context.Process(target=self._run, args=(listening, files, core), daemon=True)
        self._process.start()
        listening.close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def requests(self) -> int:
        """Requests seen so far."""
        return self._requests.value

    @property
    def bytes(self) -> int:
        """Bytes of bodies that were given to the kernel so far."""
        return self._bytes.value

    def settle(self) -> None:
        """Waits until nobody fetches any more: some caches go on when their reader has left."""
        until = time.monotonic() + SETTLE_TIMEOUT_S
        seen, since = self.bytes, time.monotonic()
        while time.monotonic() - since < SETTLE_S and time.monotonic() < until:
            time.sleep(SETTLE_S / 10)
            if self.bytes != seen:
                seen, since = self.bytes, time.monotonic()

    def close(self) -> None:
        self._process.terminate()
        self._process.join()

    def _run(self, listening: socket.socket, files: Path, core: int | None) -> None:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, 9)
        if core is not None:
            os.sched_setaffinity(0, {core})
        while True:
            connected, _ = listening.accept()
            threading.Thread(target=self._serve, args=(connected, files), daemon=True).start()

    def _serve(self, connected: socket.socket, files: Path) -> None:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        waiting = b""
        with connected, suppress(OSError):
            while True:
                while (end := waiting.find(b"\r\n\r\n")) < 0:
                    part = connected.recv(HEAD_BYTES)
                    if not part:
                        return
                    waiting += part
                head, waiting = waiting[: end + 2], waiting[end + 4 :]
                with self._requests.get_lock():
                    self._requests.value += 1
                self._answer(connected, head, files)

    def _answer(self, connected: socket.socket, head: bytes, files: Path) -> None:
        method, path = head.split(b" ", 2)[:2]
        number = path.rsplit(b"/", 1)[1].decode()
        try:
            file = os.open(files / "o" / number, os.O_RDONLY)
        except FileNotFoundError:
            connected.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        try:
            status, fields, first, length = _judged(head, number, os.fstat(file).st_size)
            fields += f'Date: {formatdate(usegmt=True)}\r\nLast-Modified: {MODIFIED}\r\nETag: "{number}"\r\n'
            fields += "Cache-Control: max-age=86400\r\n"
            fields += "Accept-Ranges: bytes\r\nContent-Type: application/octet-stream\r\n"
            answer = f"HTTP/1.1 {status}\r\n{fields}\r\n".encode()
            body = length if method == b"GET" else 0
            connected.sendall(answer, socket.MSG_MORE if body else 0)
            self._send_file(connected, file, first, body)
        finally:
            os.close(file)

    def _send_file(self, connected: socket.socket, file: int, first: int, length: int) -> None:
        while length:
            sent = os.sendfile(connected.fileno(), file, first, min(length, SENDFILE_BYTES))
            first, length = first + sent, length - sent
            with self._bytes.get_lock():
                self._bytes.value += sent


def _judged(head: bytes, number: str, size: int) -> tuple[str, str, int, int]:
    """Status, fields that go with it, and the part of the file that is its body."""
    condition = _CONDITION.search(head)
    if condition is not None:
        same = condition[2].decode() in (number, "*")
        if condition[1] and same:
            return "304 Not Modified", "", 0, 0
        if not condition[1] and not same:
            return "412 Precondition Failed", "Content-Length: 0\r\n", 0, 0
    found = _RANGE.search(head)
    if found is None or not (found[1] or found[2]):
        return "200 OK", f"Content-Length: {size}\r\n", 0, size
    first = int(found[1]) if found[1] else max(size - int(found[2]), 0)
    last = min(int(found[2]), size - 1) if found[1] and found[2] else size - 1
    if first > last:
        return "416 Range Not Satisfiable", f"Content-Range: bytes */{size}\r\nContent-Length: 0\r\n", 0, 0
    fields = f"Content-Range: bytes {first}-{last}/{size}\r\nContent-Length: {last - first + 1}\r\n"
    return "206 Partial Content", fields, first, last - first + 1
