"""Connections on the cores of a node: one is served where there is less to do, not where the kernel gave it."""

from __future__ import annotations

import socket
from collections.abc import Callable

from forebay_lab import processes
from forebay_lab.node import Node, namespace
from forebay_lab.origin import HostileOrigin

MakeNode = Callable[..., Node]

CONNECTIONS = 64
REQUEST = b"GET /o/x HTTP/1.1\r\nHost: a\r\n\r\n"
BODY = b"sound" * 100


def ask(connection: socket.socket) -> bytes:
    connection.sendall(REQUEST)
    seen = b""
    while not seen.endswith(BODY):
        piece = connection.recv(65536)
        assert piece, "the connection has ended"
        seen += piece
    return seen.split(b"\r\n", 1)[0]


def test_connections_are_spread_over_the_cores(make_node: MakeNode, origin: HostileOrigin) -> None:
    origin.put("/x", BODY, headers=(("Cache-Control", "max-age=600"),))
    node = make_node([namespace("/o", origin.url)], settings={"node": {"threads": 2}})
    connections = []
    try:
        for _ in range(CONNECTIONS):
            connections.append(socket.create_connection((node.address, node.port), timeout=60))
            assert ask(connections[-1]) == b"HTTP/1.1 200 OK"
        assert node.metric("forebay_connections_handed_over_total") > 0
        open_now = [node.metric("forebay_loop_connections", loop=loop) for loop in ("0", "1")]
        assert sum(open_now) == CONNECTIONS
        assert min(open_now) >= CONNECTIONS / 4  # what else the loops had to do counts, too
        for connection in connections:
            assert ask(connection) == b"HTTP/1.1 200 OK"
    finally:
        for connection in connections:
            connection.close()
    processes.wait_until("all are gone", lambda: node.metric("forebay_loop_connections") == 0)
