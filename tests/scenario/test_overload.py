"""More than a node can answer: some is refused at once and in words, the rest is answered, and then it is over."""

from __future__ import annotations

import re
import signal
import socket
import time
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
#: While a node is stopped: long beside what may lie there under overload, short beside how long one is remembered.
STOPPED_S = 0.2
LATE = 50
ATTEMPTS = 20
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


def ask_each(connections: list[socket.socket]) -> None:
    for connection in connections:
        connection.sendall(REQUEST)


def read_each(connections: list[socket.socket]) -> Counter[int]:
    return Counter(read_answer(connection) for connection in connections)


def read_answer(connection: socket.socket) -> int:
    """The status of one answer, whose body is read."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    head, body = answer.split(b"\r\n\r\n", 1)
    length = re.search(rb"\r\nContent-Length: (\d+)", head)
    assert length
    while len(body) < int(length[1]):
        body += connection.recv(65536)
    return int(head.split(b" ", 2)[1])


def ask_while_stopped(node: Node, connections: list[socket.socket]) -> Counter[int]:
    """What is answered to requests that lay there for a while, through no fault of the node's."""
    assert node.process
    node.process.send_signal(signal.SIGSTOP)
    try:
        ask_each(connections)
        time.sleep(STOPPED_S)  # what is tested is that it passes
    finally:
        node.process.send_signal(signal.SIGCONT)
    return read_each(connections)


def test_under_overload_what_has_become_old_is_refused_and_else_nothing(
    make_node: MakeNode, origin: HostileOrigin
) -> None:
    origin.put("/x", b"sound", headers=FRESH)
    settings = {"limits": {"queue_delay": "1ms", "requests_per_client": 0}, "node": {"threads": 1}}
    node = make_node([namespace("/o", origin.url)], settings=settings)
    node.get("/o/x")
    connections = [socket.create_connection((node.address, node.port), timeout=60) for _ in range(LATE)]
    assert ask_while_stopped(node, connections) == {200: LATE}  # a machine that is busy with others is no overload
    for _ in range(ATTEMPTS):  # an overload is remembered for a second, and this machine may take longer
        flood(node)
        ask_each(connections)  # from here on the kernel tells when bytes come
        read_each(connections)
        late = ask_while_stopped(node, connections)
        if late == {503: LATE}:
            break
    assert late == {503: LATE}
    processes.wait_until("it is over", lambda: ask_while_stopped(node, connections) == {200: LATE})
    for connection in connections:
        connection.close()
