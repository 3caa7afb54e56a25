"""More than a node can answer: some is refused at once and in words, the rest is answered, and then it is over."""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from forebay_lab import processes
from forebay_lab.node import Node, namespace
from forebay_lab.origin import HostileOrigin

MakeNode = Callable[..., Node]

FRESH = (("Cache-Control", "max-age=600"),)
CONNECTIONS = 600
PIPELINED = 30  # answered in one go: who sends more waits behind those who come, and is no overload
REQUEST = b"GET /o/x HTTP/1.1\r\nHost: a\r\n\r\n"


def flood(node: Node) -> Counter[int]:
    """Asks for much at once, on many connections, and reads every answer; how many there were of each status."""
    connections = [socket.create_connection((node.address, node.port), timeout=60) for _ in range(CONNECTIONS)]
    for connection in connections:
        connection.sendall(REQUEST * PIPELINED)
        connection.shutdown(socket.SHUT_WR)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(read_to_end, connections))
    return Counter(int(status) for answer in answers for status in re.findall(rb"HTTP/1\.1 (\d+) ", answer))


def read_to_end(connection: socket.socket) -> bytes:
    pieces = []
    with connection:
        while piece := connection.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


def test_what_is_too_much_is_refused_and_the_rest_is_answered(make_node: MakeNode, origin: HostileOrigin) -> None:
    origin.put("/x", b"sound", headers=FRESH)
    settings = {"limits": {"queue_delay": "1ms", "requests_per_client": 0}, "node": {"threads": 1}}
    node = make_node([namespace("/o", origin.url)], settings=settings)
    node.get("/o/x")
    seen = flood(node)
    assert set(seen) == {200, 503}
    assert sum(seen.values()) == CONNECTIONS * PIPELINED  # each has its answer
    assert node.metric("forebay_limit_refused_total", limit="queue_delay") == seen[503]
    processes.wait_until("it answers again", lambda: node.get("/o/x").status == 200)
    assert len(origin.requests("/x")) == 1
    assert node.admin("/readyz").status == 200


def test_without_a_limit_nothing_is_refused(make_node: MakeNode, origin: HostileOrigin) -> None:
    origin.put("/x", b"sound", headers=FRESH)
    settings = {"limits": {"queue_delay": "0s", "requests_per_client": 0}, "node": {"threads": 1}}
    node = make_node([namespace("/o", origin.url)], settings=settings)
    node.get("/o/x")
    assert flood(node) == {200: CONNECTIONS * PIPELINED}


def test_the_operator_is_not_refused(make_node: MakeNode, origin: HostileOrigin) -> None:
    origin.put("/x", b"sound", headers=FRESH)
    settings = {"limits": {"queue_delay": "1ms", "requests_per_client": 1}, "node": {"threads": 1}}
    node = make_node([namespace("/o", origin.url)], settings=settings)
    node.get("/o/x")
    with ThreadPoolExecutor(1) as pool:
        flooding = pool.submit(flood, node)
        statuses = {node.admin("/metrics").status for _ in range(20)}
        flooding.result()
    assert statuses == {200}
