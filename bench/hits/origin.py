"""The objects, an origin in a process of its own that serves them and counts, and a comparison of bodies."""

from __future__ import annotations

import asyncio
import http.client
import multiprocessing
import random
import socket
from dataclasses import dataclass
from pathlib import Path

REQUESTS = multiprocessing.Value("q", 0)  # that the origin has seen
TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Objects:
    count: int
    length_bytes: int

    def body(self, number: int) -> bytes:
        """Different for every object."""
        part = random.Random(number).randbytes(64)
        return (part * (self.length_bytes // len(part) + 1))[: self.length_bytes]

    def write(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        for number in range(self.count):
            (directory / str(number)).write_bytes(self.body(number))

    def compare(self, name: str, port: int, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        connection.request("GET", f"/o/{number}")
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if answer.status != 200 or body != self.body(number):
            raise SystemExit(f"{name}: /o/{number} gave {answer.status} and {len(body)} bytes, not the object's")


class _Origin(asyncio.Protocol):
    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        while (end := self.waiting.find(b"\r\n\r\n")) >= 0:
            method, path = self.waiting[: self.waiting.find(b"\r\n")].decode().split(" ")[:2]
            self.waiting = self.waiting[end + 4 :]
            with REQUESTS.get_lock():
                REQUESTS.value += 1
            number = int(path.rsplit("/", 1)[1])
            head = (
                f'HTTP/1.1 200 OK\r\nContent-Length: {self.objects.length_bytes}\r\nETag: "{number}"\r\n'
                "Last-Modified: Sun, 01 Feb 2026 00:00:00 GMT\r\nCache-Control: max-age=86400\r\n"
                "Content-Type: application/octet-stream\r\n\r\n"
            ).encode()
            self.transport.write(head if method == "HEAD" else head + self.objects.body(number))


def _run(listening: socket.socket, objects: Objects) -> None:
    async def forever() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: _Origin(objects), sock=listening)
        await server.serve_forever()

    asyncio.run(forever())


def serve(objects: Objects) -> str:
    """HOST:PORT; ends with this program."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    multiprocessing.Process(target=_run, args=(listening, objects), daemon=True).start()
    return f"127.0.0.1:{listening.getsockname()[1]}"
