"""Plain HTTP/1.1 readers that hide nothing: every header, every byte, and whether the answer broke off."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from .namespaces import HERE, Place

#: A reader that waits longer than this for anything has found a bug.
READ_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Reply:
    """An answer that was read to its end, or as far as it came."""

    status: int
    headers: Mapping[str, str]  #: names in lower case; several of a name joined with ", "
    body: bytes
    broken: bool  #: the connection ended before the length that the answer announced


class Stream:
    """An answer whose head has arrived and whose body is read in the test's own time."""

    def __init__(self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._answer = answer
        self.status = answer.status
        headers: dict[str, str] = {}
        for name, value in answer.getheaders():
            name = name.lower()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        self.headers: Mapping[str, str] = headers

    def read(self, length_bytes: int) -> bytes:
        """Exactly so many bytes, or fewer at the end of the body. Raises where the answer breaks off."""
        return self._answer.read(length_bytes)

    def read_rest(self) -> Reply:
        """Everything that is left, and whether it was all."""
        pieces: list[bytes] = []
        broken = False
        try:
            while piece := self._answer.read(65536):
                pieces.append(piece)
            # With a length, http.client returns short bodies of sized reads without a word.
            broken = bool(self._answer.length)
        except http.client.IncompleteRead as error:
            pieces.append(error.partial)
            broken = True
        except ConnectionError:
            broken = True
        return Reply(self.status, self.headers, b"".join(pieces), broken)

    def leave(self) -> None:
        """Goes away, whatever is left unread."""
        self._connection.close()


@contextmanager
def open_stream(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    place: Place = HERE,
    timeout_s: float = READ_TIMEOUT_S,
) -> Iterator[Stream]:
    """Sends a request on a connection of its own and hands out the answer; leaves at the end."""
    parts = urlsplit(url)
    assert parts.hostname, url
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=timeout_s)
    try:
        with place.entered():
            connection.connect()
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, body=body, headers=dict(headers or {}))
        yield Stream(connection, connection.getresponse())
    finally:
        connection.close()


def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    place: Place = HERE,
    timeout_s: float = READ_TIMEOUT_S,
) -> Reply:
    """Sends a request and reads the answer to its end. Redirects are answers like any other."""
    with open_stream(url, method=method, headers=headers, body=body, place=place, timeout_s=timeout_s) as stream:
        return stream.read_rest()
