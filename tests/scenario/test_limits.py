"""Limits under attack: who breaks one is told so, and a reader beside him does not notice."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from forebay_lab import processes
from forebay_lab.node import Node, namespace
from forebay_lab.origin import EVERY_TIME, Fault, Gate, HostileOrigin
from forebay_lab.readers import fetch, open_stream

MakeNode = Callable[..., Node]

MIB = 1 << 20
FRESH = (("Cache-Control", "max-age=600"),)
#: Believed about whom it asks for: so that one machine can be many clients.
PROXY = {"network": {"trusted_proxies": ["127.0.0.1/32"], "allow_private": ["127.0.0.0/8"]}}


def as_client(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


@contextmanager
def narrow_connection(node: Node) -> Iterator[socket.socket]:
    """A connection whose peer can send little ahead of what is read."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(30)
        connection.connect((node.address, node.port))
        yield connection


@contextmanager
def reader_beside(node: Node, path: str, headers: dict[str, str] | None = None) -> Iterator[list[int]]:
    """A reader who asks for what is held, one time after the other; the statuses that he got."""
    statuses: list[int] = []
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            statuses.append(node.get(path, headers=headers).status)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield statuses
    finally:
        over.set()
        thread.join()


def test_requests_of_one_client(make_node: MakeNode, origin: HostileOrigin) -> None:
    origin.put("/x", b"sound", headers=FRESH)
    node = make_node([namespace("/o", origin.url)], settings={**PROXY, "limits": {"requests_per_client": 1}})
    loud, quiet = as_client("198.51.100.1"), as_client("198.51.100.2")
    replies = [node.get("/o/x", headers=loud) for _ in range(20)]
    refused = [one for one in replies if one.status == 429]
    assert refused
    assert all(int(one.headers["retry-after"]) >= 1 for one in refused)
    assert all(one.headers["cache-control"] == "no-store" for one in refused)
    assert {one.status for one in replies} == {200, 429}
    assert node.get("/o/x", headers=quiet).status == 200
    assert node.metric("forebay_limit_refused_total", limit="requests_per_client") == len(refused)


@pytest.mark.parametrize("same", ["2001:db8:0:1::1", "2001:db8:0:1:ffff::2"])
def test_addresses_of_one_64_are_one_client(make_node: MakeNode, origin: HostileOrigin, same: str) -> None:
    origin.put("/x", b"sound", headers=FRESH)
    node = make_node([namespace("/o", origin.url)], settings={**PROXY, "limits": {"requests_per_client": 1}})
    for _ in range(20):
        node.get("/o/x", headers=as_client("2001:db8:0:1::3"))
    assert 429 in [node.get("/o/x", headers=as_client(same)).status for _ in range(3)]
    assert node.get("/o/x", headers=as_client("2001:db8:0:2::1")).status == 200


def test_s3_clients_are_told_to_slow_down(make_node: MakeNode, origin: HostileOrigin) -> None:
    origin.put("/x", b"sound", headers=FRESH)
    limits = {"limits": {"requests_per_client": 1}}
    node = make_node([namespace("/o", origin.url, bucket="pool")], settings=limits, s3=True)
    statuses = {fetch(node.s3_url + "/pool/x").status for _ in range(20)}
    assert statuses in ({200, 429}, {200, 503})
    assert node.admin("/healthz").status == 200  # the operator gets in


def test_a_client_that_asks_for_much_and_leaves_stops_costing_the_origin(
    make_node: MakeNode, origin: HostileOrigin
) -> None:
    """RangeAmp: the bytes that a client makes the origin send and does not read have a budget."""
    count, object_bytes = 12, 16 * MIB
    for number in range(count):
        origin.put(f"/{number}", b"x" * object_bytes, headers=FRESH)
    origin.put("/held", b"sound", headers=FRESH)
    limits = {"limits": {"unread_bytes_per_client": "32MiB"}}
    node = make_node([namespace("/o", origin.url)], settings={**PROXY, **limits})
    attacker, reader = as_client("198.51.100.1"), as_client("198.51.100.2")
    node.get("/o/held", headers=reader)
    before = origin.bytes_sent()
    statuses = []
    with reader_beside(node, "/o/held", reader) as beside:
        for number in range(count):
            with narrow_connection(node) as connection:
                fields = "".join(f"{name}: {value}\r\n" for name, value in attacker.items())
                connection.sendall(f"GET /o/{number} HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode())
                statuses.append(int(connection.recv(64).split()[1]))
                if statuses[-1] == 200:
                    whole = f"/{number}"
                    processes.wait_until("it was sent", lambda path=whole: origin.bytes_sent(path) == object_bytes)
    assert statuses[0] == 200
    assert statuses[-1] == 429
    # Sockets hold some of what nobody reads, and look as if it had been read.
    assert origin.bytes_sent() - before <= 5 * object_bytes
    assert set(beside) == {200}
    assert node.get(f"/o/{count - 1}", headers=reader).status == 200
    assert node.metric("forebay_limit_refused_total", limit="unread_bytes_per_client") > 0


def test_slow_uploads_are_given_up_with_408(make_node: MakeNode, origin: HostileOrigin) -> None:
    gate = Gate()
    origin.put("/x", b"sound", headers=FRESH)
    origin.put("/y", b"")
    origin.fail("/y", Fault(stall_at=-1, gate=gate))  # it has no answer before the whole body came
    settings = {"limits": {"body_timeout": "300ms", "slow_sender": "1KiB"}}
    node = make_node([namespace("/o", origin.url, write=True, public_write=True)], settings=settings)
    node.get("/o/x")
    with reader_beside(node, "/o/x") as beside, socket.create_connection((node.address, node.port), timeout=30) as slow:
        slow.sendall(b"PUT /o/y HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nx")
        answer = slow.recv(65536)
        assert answer.startswith(b"HTTP/1.1 408 "), answer[:200]
        gate.open()
    assert set(beside) == {200}
    # Which of the two names it has depends on whether the byte came with the head.
    counted = [node.metric("forebay_limit_refused_total", limit=one) for one in ("body_timeout", "slow_sender")]
    assert sum(counted) == 1


def test_followers_of_one_transfer(make_node: MakeNode, origin: HostileOrigin) -> None:
    gate = Gate()
    origin.put("/x", b"x" * (4 * MIB), headers=FRESH)
    origin.put("/held", b"sound", headers=FRESH)
    origin.fail("/x", Fault(stall_at=MIB, gate=gate), times=EVERY_TIME)
    node = make_node([namespace("/o", origin.url)], settings={"limits": {"followers_per_fill": 2}})
    node.get("/o/held")
    with ExitStack() as streams:
        followers = [streams.enter_context(open_stream(f"{node.url}/o/x")) for _ in range(2)]
        assert [one.status for one in followers] == [200, 200]
        gate.wait_reached()
        processes.wait_until("both follow", lambda: node.metric("forebay_cache_followers") == 2)
        refused = node.get("/o/x", headers={"Range": f"bytes={3 * MIB}-"})
        assert refused.status == 503
        assert refused.headers["retry-after"]
        assert node.get("/o/held").status == 200
        gate.open()
        assert all(len(one.read_rest().body) == 4 * MIB for one in followers)
    assert node.metric("forebay_limit_refused_total", limit="followers_per_fill") == 1


def test_an_origin_has_no_more_exchanges_at_a_time_than_its_limit(make_node: MakeNode, origin: HostileOrigin) -> None:
    gate = Gate()
    count, at_a_time = 12, 3
    for number in range(count):
        origin.put(f"/{number}", b"sound", headers=FRESH)
        origin.fail(f"/{number}", Fault(stall_at=-1, gate=gate))
    node = make_node([namespace("/o", origin.url)], settings={"limits": {"origin_connections": at_a_time}})
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda path=f"/o/{number}": statuses.append(node.get(path).status))
        for number in range(count)
    ]
    for thread in threads:
        thread.start()
    processes.wait_until("all ask", lambda: node.metric("forebay_requests_in_flight") == count)
    origin.wait_requests(at_a_time)
    assert len(origin.requests()) == at_a_time
    gate.open()
    for thread in threads:
        thread.join()
    assert statuses == [200] * count
    assert len(origin.requests()) == count


def test_a_host_has_no_more_exchanges_at_a_time_than_its_limit(make_node: MakeNode, origin: HostileOrigin) -> None:
    """Namespaces with an origin each at one host: the host sees no more than its own limit."""
    gate, count, at_a_time = Gate(), 4, 3
    for space in ("a", "b"):
        for number in range(count):
            origin.put(f"/{space}/{number}", b"sound", headers=FRESH)
            origin.fail(f"/{space}/{number}", Fault(stall_at=-1, gate=gate))
    limits = {"origin_connections": 2, "host_connections": at_a_time}
    node = make_node([namespace(f"/{one}", f"{origin.url}/{one}") for one in ("a", "b")], settings={"limits": limits})
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda path=f"/{space}/{number}": statuses.append(node.get(path).status))
        for space in ("a", "b")
        for number in range(count)
    ]
    for thread in threads:
        thread.start()
    processes.wait_until(
        "one waits for the host alone",
        lambda: node.metric("forebay_limit_refused_total", limit="host_connections") == 1,
    )
    processes.wait_until(
        "four wait for their origins",
        lambda: node.metric("forebay_limit_refused_total", limit="origin_connections") == 4,
    )
    origin.wait_requests(at_a_time)
    assert len(origin.requests()) == at_a_time
    gate.open()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 2 * count


def test_an_origin_that_comes_back_is_asked_again_at_once(make_node: MakeNode) -> None:
    """No queue of stale work and no storm: while it is away it is asked by probes alone."""
    with HostileOrigin() as origin:
        port = origin.port
    limits = {"breaker_failures": 3, "breaker_open": "300ms", "origin_connections": 4}
    node = make_node([namespace("/o", f"http://127.0.0.1:{port}")], settings={"limits": limits})
    over = threading.Event()
    statuses: list[int] = []

    def load(number: int) -> None:
        asked = 0
        while not over.is_set():
            asked += 1
            statuses.append(node.get(f"/o/{number}-{asked % 50}").status)

    threads = [threading.Thread(target=load, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    try:
        processes.wait_until("it fails", lambda: statuses.count(502) > 200)
        assert set(statuses) <= {502, 503}
        with HostileOrigin(port=port) as origin:
            for number in range(8):
                for which in range(50):
                    origin.put(f"/{number}-{which}", b"sound", headers=FRESH)
            processes.wait_until("it is read again", lambda: statuses.count(200) > 200)
            over.set()
            for thread in threads:
                thread.join()
            # Each object once, and nothing of what was asked for while it was away.
            assert len(origin.requests()) <= 8 * 50
            assert statuses[-8:] == [200] * 8
            assert node.metric("forebay_cache_fills") == 0
    finally:
        over.set()
        for thread in threads:
            thread.join()
