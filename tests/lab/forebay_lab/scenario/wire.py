"""HTTP/1.1 messages as a scenario reads them from a socket: lenient enough to see what really came."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

TIMEOUT_S = 20.0


class ClosedError(Exception):
    """The connection ended where bytes were expected; ``reset`` tells how."""

    def __init__(self, came: bytes, reset: bool) -> None:
        super().__init__(f"the connection {'was reset' if reset else 'ended'} after {len(came)} bytes: {came[:200]!r}")
        self.came = came
        self.reset = reset


@dataclass
class Message:
    start: list[str]  #: the three parts of the first line
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def values(self, name: str) -> list[str]:
        return [value for each, value in self.fields if each.lower() == name.lower()]

    def value(self, name: str) -> str | None:
        values = self.values(name)
        return ", ".join(values) if values else None

    @property
    def status(self) -> int:
        return int(self.start[1])


class Wire:
    """A connection with what came on it and was not used yet."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        connection.settimeout(TIMEOUT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ready = b""

    def read_head(self) -> Message:
        head = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        message = Message(head[0].split(" ", 2))
        for line in head[1:]:
            if line:
                name, _, value = line.partition(":")
                message.fields.append((name, value.strip()))
        return message

    def read_answer(self, method: str) -> Message:
        """A whole answer to a request with this method."""
        return self.read_rest(self.read_head(), method)

    def read_rest(self, answer: Message, method: str) -> Message:
        """The answer whose head has been read, with its body."""
        if answer.status // 100 != 1:
            answer.body = self._read_body(answer, bodyless=method == "HEAD" or answer.status in (204, 304), to_end=True)
        return answer

    def read_request(self) -> Message:
        request = self.read_head()
        request.body = self._read_body(request, bodyless=False, to_end=False)
        return request

    def read_end(self) -> ClosedError:
        """Waits for the end of the connection; the bytes that came before it are told."""
        came = self._ready
        self._ready = b""
        try:
            while piece := self.socket.recv(65536):
                came += piece
        except ConnectionError:
            return ClosedError(came, reset=True)
        return ClosedError(came, reset=False)

    def _read_body(self, message: Message, *, bodyless: bool, to_end: bool) -> bytes:
        if bodyless:
            return b""
        if (message.value("transfer-encoding") or "").lower() == "chunked":
            return self._read_chunks()
        length = message.value("content-length")
        if length is not None:
            return self._exactly(int(length))
        if not to_end:
            return b""
        end = self.read_end()
        if end.reset:
            raise end
        return end.came

    def _read_chunks(self) -> bytes:
        body = b""
        while size := int(self._until(b"\r\n").partition(b";")[0].strip(), 16):
            body += self._exactly(size)
            self._until(b"\r\n")
        while self._until(b"\r\n") != b"\r\n":
            pass
        return body

    def _until(self, end: bytes) -> bytes:
        while end not in self._ready:
            self._more()
        at = self._ready.index(end) + len(end)
        taken, self._ready = self._ready[:at], self._ready[at:]
        return taken

    def _exactly(self, count: int) -> bytes:
        while len(self._ready) < count:
            self._more()
        taken, self._ready = self._ready[:count], self._ready[count:]
        return taken

    def _more(self) -> None:
        try:
            piece = self.socket.recv(65536)
        except ConnectionError:
            raise ClosedError(self._ready, reset=True) from None
        if not piece:
            raise ClosedError(self._ready, reset=False)
        self._ready += piece
