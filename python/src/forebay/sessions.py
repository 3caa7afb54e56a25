"""One HTTP session per event loop and process, closed without anybody's help.

All filesystems of a loop share its connections to the node. A session ends with its loop: by
``asyncio.run`` (which closes the asynchronous generators of its loop), or at the end of the process for
loops that run in a thread of their own, such as fsspec's and Zarr's. A forked child starts afresh.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
from collections.abc import AsyncGenerator
from typing import Final

import aiohttp

# Connections to one node. Zarr and Dask keep tens of chunk reads in flight, and a read that misses
# waits for a far origin; more than this only queues inside the node.
MAX_CONNECTIONS: Final = 64

# Idle connections are given up before the node gives them up, or a request might meet the closing.
KEEP_ALIVE_S: Final = 10.0

# What the parser may hold before it stops reading the socket: a few large chunks per connection.
READ_BUFFER_BYTES: Final = 1024 * 1024

CLOSE_TIMEOUT_S: Final = 1.0

_Lifetime = AsyncGenerator[aiohttp.ClientSession, None]


class _Sessions:
    """The sessions of this process by event loop."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.lifetimes: dict[asyncio.AbstractEventLoop, tuple[_Lifetime, aiohttp.ClientSession]] = {}


_sessions = _Sessions()
# Sessions of the parent of a fork: using, closing or collecting them would disturb the parent's sockets.
_inherited: list[_Sessions] = []


async def _live() -> _Lifetime:
    connector = aiohttp.TCPConnector(limit=0, limit_per_host=MAX_CONNECTIONS, keepalive_timeout=KEEP_ALIVE_S)
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        read_bufsize=READ_BUFFER_BYTES,
        requote_redirect_url=False,
        # A node is near: the proxy of the site is the way out, not the way to it.
        trust_env=False,
    )
    try:
        yield session
    finally:
        await session.close()


async def current_session() -> aiohttp.ClientSession:
    """Return the session of the running event loop; create it when there is none."""
    loop = asyncio.get_running_loop()
    with _sessions.lock:
        known = _sessions.lifetimes.get(loop)
    if known is not None and not known[1].closed:
        return known[1]
    lifetime = _live()
    session = await anext(lifetime)
    with _sessions.lock:
        other = _sessions.lifetimes.get(loop)
        if other is None or other[1].closed:
            _sessions.lifetimes[loop] = (lifetime, session)
            _drop_dead_loops()
            return session
    await lifetime.aclose()
    return other[1]


def _drop_dead_loops() -> None:
    """Forget the sessions of loops that ended; the lock is held."""
    for loop in [loop for loop in _sessions.lifetimes if loop.is_closed()]:
        _, session = _sessions.lifetimes.pop(loop)
        if not session.closed:
            _abandon(session)


async def close_session() -> None:
    """Close the session of the running event loop; the next request opens another."""
    with _sessions.lock:
        known = _sessions.lifetimes.pop(asyncio.get_running_loop(), None)
    if known is not None:
        await known[0].aclose()


async def _end(lifetime: _Lifetime) -> None:
    await lifetime.aclose()


def _close_all() -> None:
    """Close what is open at the end of the process."""
    with _sessions.lock:
        left = list(_sessions.lifetimes.items())
        _sessions.lifetimes.clear()
    for loop, (lifetime, session) in left:
        if loop.is_running():
            with contextlib.suppress(Exception):
                asyncio.run_coroutine_threadsafe(_end(lifetime), loop).result(CLOSE_TIMEOUT_S)
        elif not loop.is_closed():
            with contextlib.suppress(Exception):
                loop.run_until_complete(_end(lifetime))
        if not session.closed:
            _abandon(session)


def _abandon(session: aiohttp.ClientSession) -> None:
    """Make a session whose loop is gone silent; the system closes its sockets."""
    connector = session.connector
    session.detach()
    if connector is not None:
        with contextlib.suppress(Exception):
            connector._closed = True


def _forget_after_fork() -> None:
    global _sessions
    _inherited.append(_sessions)
    for _, session in list(_sessions.lifetimes.values()):
        _abandon(session)
    _sessions = _Sessions()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
