"""The scripted origin of a scenario: it answers what it is asked in the order of its steps, and nothing else."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass

from .grammar import Step, repeated
from .wire import TIMEOUT_S, ClosedError, Message, Wire

#: An origin waits longer than a client, whose complaint is told first.
_PATIENCE = 1.5


@dataclass
class _Asked:
    message: Message
    connection: socket.socket
    answered: threading.Event


class StepError(Exception):
    """A step went otherwise than it says."""


class ScriptedOrigin:
    """Connections are read beside each other; a ``request`` step takes the first request that fits it."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._listener = socket.create_server((address, 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://{address}:{self.port}"
        self._changed = threading.Condition()
        self._queue: list[_Asked] = []
        self._open: set[socket.socket] = set()
        self._now: _Asked | None = None  #: the request that is being answered
        self._over = False
        self.count = 0
        self._accept_from(self._listener)

    def step(self, step: Step) -> None:
        getattr(self, f"_{step.verb}")(step)

    def left_over(self) -> list[str]:
        """Requests that no step asked for."""
        with self._changed:
            return [" ".join(asked.message.start[:2]) for asked in self._queue]

    def give_up(self) -> None:
        """Nothing more will come: who waits for a request says so."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def close(self) -> None:
        self.give_up()
        self._down(None)

    # --- steps -----------------------------------------------------------------------------------------------

    def _request(self, step: Step) -> None:
        wanted = step.texts()
        with self._changed:
            found = self._changed.wait_for(lambda: self._over or self._find(wanted), TIMEOUT_S * _PATIENCE)
            asked = self._find(wanted)
            if not found or asked is None:
                waiting = [" ".join(one.message.start[:2]) for one in self._queue]
                raise StepError(f"it was not asked for {' '.join(wanted) or 'anything'}; waiting are {waiting}")
            self._queue.remove(asked)
        self._now = asked
        for name, value in step.fields:
            if asked.message.value(name) != value:
                raise StepError(f"it was sent {name}: {asked.message.value(name)}, not {value}")
        for name in step.absent:
            if asked.message.value(name) is not None:
                raise StepError(f"it was sent {name}: {asked.message.value(name)}")
        if step.body is not None and step.body != asked.message.body:
            raise StepError(f"it was sent the body {asked.message.body[:200]!r}")

    def _find(self, wanted: list[str]) -> _Asked | None:
        return next((one for one in self._queue if one.message.start[: len(wanted)] == wanted), None)

    def _answer(self, step: Step) -> None:
        status, *reason = step.texts()
        body = step.body or b""
        head = f"HTTP/1.1 {status} {' '.join(reason) or 'Answer'}\r\n"
        names = {name.lower() for name, _ in step.fields}
        final = not status.startswith("1")
        if final and not names & {"content-length", "transfer-encoding"} and status not in ("204", "304"):
            head += f"Content-Length: {len(body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in step.fields)
        asked = self._asked()
        if asked.message.start[0] == "HEAD":
            body = b""
        self._write(asked, head.encode("latin-1") + b"\r\n" + body)
        if final:
            asked.answered.set()

    def _send(self, step: Step) -> None:
        self._write(self._asked(), repeated(step.words))

    def _close(self, _: Step) -> None:
        _shut(self._asked().connection)

    def _reset(self, _: Step) -> None:
        asked = self._asked()
        asked.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        asked.connection.close()

    def _down(self, _: Step | None) -> None:
        _shut(self._listener)
        self._listener.close()
        with self._changed:
            for connection in self._open:
                _shut(connection)

    def _up(self, _: Step) -> None:
        self._listener = socket.create_server((self._address, self.port), backlog=64)
        self._accept_from(self._listener)

    def _asked(self) -> _Asked:
        if self._now is None:
            raise StepError("nothing was asked yet: a request step comes first")
        return self._now

    def _write(self, asked: _Asked, data: bytes) -> None:
        try:
            asked.connection.sendall(data)
        except OSError as error:
            raise StepError(f"the node has gone: {error}") from error

    # --- connections -----------------------------------------------------------------------------------------

    def _accept_from(self, listener: socket.socket) -> None:
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._changed:
                self._open.add(connection)
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        wire = Wire(connection)
        connection.settimeout(None)  # idle connections of the node's pool
        with contextlib.suppress(ClosedError, OSError, ValueError, IndexError):
            while not self._over:
                asked = _Asked(wire.read_request(), connection, threading.Event())
                with self._changed:
                    self._queue.append(asked)
                    self.count += 1
                    self._changed.notify_all()
                asked.answered.wait()
        with self._changed:
            self._open.discard(connection)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # gone already
        connection.shutdown(socket.SHUT_RDWR)
