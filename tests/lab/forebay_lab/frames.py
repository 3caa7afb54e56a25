"""A client that speaks HTTP/2 in frames: for what no decent client does."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import h2.config
import h2.connection
import h2.events
from hyperframe.frame import Frame

#: A client that waits longer than this for anything has found a bug.
PATIENCE_S = 60.0


class FrameClient:
    """One cleartext connection with prior knowledge. Use as a context manager; not thread-safe."""

    def __init__(self, port: int, *, initial_window: int | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        config = h2.config.H2Configuration(client_side=True, validate_outbound_headers=False)
        self.state = h2.connection.H2Connection(config)
        self.state.initiate_connection()
        if initial_window is not None:
            self.state.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: initial_window})
        self.flush()

    def __enter__(self) -> FrameClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def flush(self) -> None:
        self.socket.sendall(self.state.data_to_send())

    def send_raw(self, *frames: Frame) -> None:
        """Past all that h2 knows of what is allowed."""
        self.socket.sendall(b"".join(one.serialize() for one in frames))

    def ask(self, path: str, *, method: str = "GET", end: bool = True, headers: Mapping[str, str] | None = None) -> int:
        """Sends a request's head; the number of its stream."""
        stream = self.state.get_next_available_stream_id()
        fields = [(":method", method), (":scheme", "http"), (":authority", "localhost"), (":path", path)]
        self.state.send_headers(stream, [*fields, *(headers or {}).items()], end_stream=end)
        self.flush()
        return stream

    def events(self) -> Iterator[Any]:
        """What comes, until the server has ended the connection."""
        while True:
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                return
            if not piece:
                return
            yield from self.state.receive_data(piece)
            with suppress(OSError):  # the server may have ended it by now; what it said can still be read
                self.flush()

    def read(self, *streams: int, acknowledge: bool = True) -> dict[int, bytes]:
        """The bodies of these streams, whole; fails where one is reset."""
        bodies = dict.fromkeys(streams, b"")
        left = set(streams)
        for event in self.events():
            if isinstance(event, h2.events.DataReceived) and event.stream_id in bodies:
                bodies[event.stream_id] += event.data
                if acknowledge:
                    self.state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    self.flush()
            if isinstance(event, h2.events.StreamEnded):
                left.discard(event.stream_id)
            if isinstance(event, h2.events.StreamReset) and event.stream_id in left:
                raise ConnectionError(f"stream {event.stream_id} was reset: {event.error_code}")
            if not left:
                return bodies
        raise ConnectionError(f"the connection ended before the streams {sorted(left)}")

    def read_some(self, stream: int, length_bytes: int) -> bytes:
        """At least so many bytes of a stream, which are not acknowledged."""
        body = b""
        for event in self.events():
            if isinstance(event, h2.events.DataReceived) and event.stream_id == stream:
                body += event.data
            if len(body) >= length_bytes:
                return body
        raise ConnectionError("the connection ended")

    def wait_goaway(self) -> int:
        """The error code with which the server ends the connection."""
        code = None
        for event in self.events():
            if isinstance(event, h2.events.ConnectionTerminated):
                code = int(event.error_code)
        if code is None:
            raise ConnectionError("the connection ended without a GOAWAY")
        return code
