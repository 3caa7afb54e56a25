"""The HTTP client of a node: requests, patience, and errors that say what happened."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeVar

import aiohttp
from yarl import URL

from forebay import __version__
from forebay.errors import (
    MAX_PROBLEM_BYTES,
    AccessDeniedError,
    BrokenBodyError,
    EncodedBodyError,
    ForebayError,
    NodeUnreachableError,
    NotListableError,
    ObjectNotFoundError,
    Problem,
    ThrottledError,
    UnknownNamespaceError,
    VersionChangedError,
)
from forebay.ranges import ByteRange
from forebay.sessions import current_session
from forebay.transfer import Sink, Transfer
from forebay.version import Version, parse_http_date
from forebay.webdav import PROPFIND_BODY, Entry, parse_multistatus

T = TypeVar("T")

# A first wait that lets a burst pass, doubled each time; the node itself retries at the origin already.
FIRST_BACKOFF_S: Final = 0.1
MAX_BACKOFF_S: Final = 5.0

# A Retry-After longer than this is reported instead of waited for: a person should hear of it.
MAX_RETRY_AFTER_S: Final = 30.0

# A long read over a bad link goes on as long as each so many bytes need no more than the usual attempts.
PROGRESS_BYTES: Final = 1024 * 1024

# Answers that another attempt may improve (RFC 9110 §15.5.9, §15.6; RFC 6585 §4).
RETRYABLE_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504})

# Fields by which a node can be told from another server.
_SIGNATURES: Final = ("Via", "Cache-Status", "Server")


@dataclass(frozen=True)
class ClientOptions:
    """How a filesystem speaks to its node.

    Attributes
    ----------
    connect_timeout_s : float
        A node is near: it accepts quickly or not at all.
    read_timeout_s : float
        Longest silence. The node answers a slow origin with an error of its own well before.
    attempts : int
        Tries per request, the first among them.
    connect_attempts : int
        Tries to connect, for a node that is just restarting.
    headers : tuple of (str, str)
        Additional request fields, such as ``Authorization``.
    ca_file : str, optional
        Certificates that may sign the node's; the system's when None.
    refuse_encoded : bool
        Refuse bodies with a content coding (RFC 9110 §8.4), instead of handing them over as they are.
    """

    connect_timeout_s: float = 5.0
    read_timeout_s: float = 120.0
    attempts: int = 4
    connect_attempts: int = 3
    headers: tuple[tuple[str, str], ...] = ()
    ca_file: str | None = None
    refuse_encoded: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """What a HEAD answer told about an object."""

    version: Version
    content_type: str | None


@lru_cache(maxsize=8)
def _tls_context(ca_file: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)


class NodeClient:
    """Requests to one node. Holds no connection itself, so that it can be used from any event loop.

    Parameters
    ----------
    find_node : callable
        Returns the URL of the node, asked for each request.
    options : ClientOptions
        Timeouts, attempts, fields.
    """

    def __init__(self, find_node: Callable[[], str], options: ClientOptions) -> None:
        self._find_node = find_node
        self.options = options

    async def head(self, target: str) -> Head:
        """Ask for length and validators of an object.

        Raises
        ------
        ObjectNotFoundError
            On 404 and 410.
        ForebayError
            On every other failure.
        """

        async def once() -> Head:
            async with self._request("HEAD", target, {}) as answer:
                if answer.status not in (200, 204):
                    raise await _error_of(answer)
                self._check_coding(answer)
                length = answer.headers.get("Content-Length")
                version = Version.of_headers(answer.headers, None if length is None else int(length))
                return Head(version, answer.headers.get("Content-Type"))

        return await self._persist(once)

    async def read(
        self,
        target: str,
        wanted: ByteRange,
        sink: Sink,
        pinned: Version | None = None,
        on_head: Callable[[int | None], None] | None = None,
    ) -> Version:
        """Read a range of one version of an object into a sink.

        Parameters
        ----------
        target : str
            Address below the node, percent-encoded.
        wanted : ByteRange
            What to read; the answer is cut at the object's end, as a slice of bytes is.
        sink : Sink
            Receives the bytes.
        pinned : Version, optional
            The only version that will do.
        on_head : callable, optional
            Told the length of the read, or None, when it becomes known.

        Returns
        -------
        Version
            The version that was read.
        """
        transfer = Transfer(self._find_node() + target, wanted, sink, pinned)

        async def once() -> Version:
            async with self._request("GET", target, transfer.next_headers()) as answer:
                if answer.status == 412:
                    raise VersionChangedError(
                        "the object changed while it was being read", str(answer.url), status=412
                    )
                if answer.status not in (200, 206, 416):
                    raise await _error_of(answer)
                self._check_coding(answer)
                if transfer.accept(answer.status, answer.headers):
                    if on_head is not None:
                        on_head(transfer.expected_bytes)
                    await _feed(answer, transfer)
                transfer_version = transfer.version
                return transfer_version if transfer_version is not None else Version()

        return await self._persist(once, lambda: transfer.received_bytes)

    async def list_collection(self, target: str, depth: int) -> list[Entry]:
        """List a collection (depth 1) or ask what a path is (depth 0).

        Raises
        ------
        ObjectNotFoundError
            Nothing is there.
        NotListableError
            The node or its origin cannot list (405, 501), or not so much (507).
        """

        async def once() -> list[Entry]:
            headers = {"Depth": str(depth), "Content-Type": "application/xml; charset=utf-8"}
            async with self._request("PROPFIND", target, headers, PROPFIND_BODY) as answer:
                if answer.status in (405, 501, 507):
                    raise NotListableError(
                        "the node cannot list this",
                        str(answer.url),
                        status=answer.status,
                        problem=await _problem_of(answer),
                    )
                if answer.status != 207:
                    raise await _error_of(answer)
                body = await answer.read()
                try:
                    return parse_multistatus(body)
                except ValueError as error:
                    raise BrokenBodyError(f"not a listing: {error}", str(answer.url)) from error

        return await self._persist(once)

    @asynccontextmanager
    async def _request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send one request and turn every failure of the network into an error of ours."""
        session = await current_session()
        options = self.options
        node = self._find_node()
        fields = {
            "Accept-Encoding": "identity",
            "User-Agent": f"forebay-python/{__version__}",
            **dict(options.headers),
            **headers,
        }
        tls: dict[str, Any] = {"ssl": _tls_context(options.ca_file)} if options.ca_file else {}
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=options.connect_timeout_s, sock_read=options.read_timeout_s
        )
        answered = False
        try:
            async with session.request(
                method,
                URL(node + target, encoded=True),
                headers=fields,
                data=body,
                timeout=timeout,
                **tls,
            ) as answer:
                answered = True
                _require_node(answer)
                yield answer
        except ForebayError:
            raise
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            raise _error_of_network(error, node + target, answered) from error

    def _check_coding(self, answer: aiohttp.ClientResponse) -> None:
        coding = answer.headers.get("Content-Encoding", "identity").strip().lower()
        if self.options.refuse_encoded and coding not in ("", "identity", "aws-chunked"):
            raise EncodedBodyError(f"the object has the content coding {coding}", str(answer.url))

    async def _persist(
        self, operation: Callable[[], Awaitable[T]], progress: Callable[[], int] = lambda: 0
    ) -> T:
        """Repeat an operation while that may help. Progress earns new attempts, a trickle does not."""
        failures = 0
        received = progress()
        while True:
            try:
                return await operation()
            except ForebayError as error:
                failures += 1
                if progress() - received >= PROGRESS_BYTES:
                    failures, received = 1, progress()
                unreachable = isinstance(error, NodeUnreachableError)
                allowed = self.options.connect_attempts if unreachable else self.options.attempts
                if not error.retryable or failures >= allowed:
                    raise
                wait_s = _wait_before(failures, error.retry_after_s)
                if wait_s is None:
                    raise
            await asyncio.sleep(wait_s)


def _require_node(answer: aiohttp.ClientResponse) -> None:
    """Refuse the answers of servers that are no node.

    Another program may listen where a node is expected. Its 404 would become fill values, and its 200
    somebody's data; and a proxy that answers 502 stands before a node that is down. A node, or one that
    redirected the request, says who it is (RFC 9110 §7.6.3) in every answer but its complaints about
    malformed requests.
    """
    status = answer.status
    if 400 <= status < 500 and status not in (404, 410, 416):
        return
    for one in (answer, *answer.history):
        if any("forebay" in one.headers.get(name, "").lower() for name in _SIGNATURES):
            return
    raise NodeUnreachableError(
        f"what answers there, with status {status}, is no Forebay node",
        str(answer.url),
        status=status,
        retryable=status in RETRYABLE_STATUSES,
    )


async def _feed(answer: aiohttp.ClientResponse, transfer: Transfer) -> None:
    async for chunk in answer.content.iter_any():
        if not transfer.feed(chunk):
            break
    transfer.finish()


def _wait_before(failures: int, retry_after_s: float | None) -> float | None:
    """Seconds until the next attempt; None when the node asks for more than we would wait."""
    if retry_after_s is not None and retry_after_s > MAX_RETRY_AFTER_S:
        return None
    backoff_s = min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** (failures - 1))
    return max(retry_after_s or 0.0, backoff_s * random.uniform(0.5, 1.0))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After, seconds or a date (RFC 9110 §10.2.3)."""
    text = headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    date = parse_http_date(text)
    return None if date is None else max(0.0, date.timestamp() - time.time())


async def _problem_of(answer: aiohttp.ClientResponse) -> Problem:
    try:
        body = await answer.content.read(MAX_PROBLEM_BYTES)
        while len(body) < MAX_PROBLEM_BYTES and not answer.content.at_eof():
            body += await answer.content.read(MAX_PROBLEM_BYTES - len(body))
    except (aiohttp.ClientError, TimeoutError, ConnectionError):
        return Problem()
    return Problem.from_body(answer.headers.get("Content-Type", ""), body)


async def _error_of(answer: aiohttp.ClientResponse) -> ForebayError:
    """Turn an answer that is no success into the error that says so."""
    status, url = answer.status, str(answer.url)
    problem = await _problem_of(answer)
    known: dict[str, Any] = {"status": status, "problem": problem}
    if status in (404, 410):
        if problem.is_unknown_namespace:
            return UnknownNamespaceError("the node serves nothing here", url, **known)
        return ObjectNotFoundError("no such object", url, **known)
    if status in (401, 403):
        return AccessDeniedError("access denied", url, **known)
    known |= {
        "retry_after_s": _retry_after(answer.headers),
        "retryable": status in RETRYABLE_STATUSES,
    }
    if status in (429, 503):
        return ThrottledError(f"the node asks to wait (status {status})", url, **known)
    return ForebayError(f"the node answered with status {status}", url, **known)


def _error_of_network(error: Exception, url: str, answered: bool) -> ForebayError:
    """Name a failure below HTTP: before the answer the node is away, after it a body broke off."""
    reason = str(error) or type(error).__name__
    if isinstance(error, aiohttp.InvalidURL | aiohttp.TooManyRedirects):
        return ForebayError(f"not a usable address: {reason}", url)
    if isinstance(error, TimeoutError):
        if answered:
            return BrokenBodyError(f"the body stalled: {reason}", url, retryable=True)
        return NodeUnreachableError(f"no answer in time: {reason}", url)
    if answered:
        return BrokenBodyError(f"the body broke off: {reason}", url, retryable=True)
    certificate = isinstance(error, aiohttp.ClientSSLError | aiohttp.ClientConnectorCertificateError)
    return NodeUnreachableError(f"the node cannot be reached: {reason}", url, retryable=not certificate)
