"""Limits that had no test that reaches them: what they refuse or delay, and where it is counted."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import pytest

from forebay_lab import processes
from forebay_lab.node import Node, namespace
from forebay_lab.origin import Fault, Gate, HostileOrigin
from forebay_lab.readers import Reply

MakeNode = Callable[..., Node]

MIB = 1 << 20
FRESH = (("Cache-Control", "max-age=600"),)


def refused(node: Node, limit: str) -> float:
    return node.metric("forebay_limit_refused_total", limit=limit)


@pytest.mark.parametrize("semantics", ["objects", "http"])
def test_ranges_of_one_request(make_node: MakeNode, origin: HostileOrigin, semantics: str) -> None:
    """An origin is never asked for more ranges than a reader of ours may ask for, nor for the same byte twice."""
    for path in ("/many", "/twice", "/few"):
        origin.put(path, b"x" * 1_000, headers=FRESH)
    node = make_node([namespace("/o", origin.url, semantics=semantics)], settings={"limits": {"ranges": 4}})
    many = ",".join(f"{2 * number}-{2 * number}" for number in range(40))
    assert node.get("/o/many", headers={"Range": f"bytes={many}"}).status == 200
    assert refused(node, "ranges") == 1
    assert node.get("/o/twice", headers={"Range": "bytes=0-,0-,0-"}).status in (200, 206)
    assert node.get("/o/few", headers={"Range": "bytes=5-9"}).status == 206
    assert refused(node, "ranges") == (2 if semantics == "http" else 1)
    asked = [request.headers.get("range", "") for request in origin.requests()]
    assert all(one.count(",") < 4 and one.count("0-") < 2 for one in asked)


def test_waiters_for_one_object(make_node: MakeNode, origin: HostileOrigin) -> None:
    gate = Gate()
    origin.put("/x", b"sound", headers=FRESH)
    origin.put("/held", b"sound", headers=FRESH)
    origin.fail("/x", Fault(stall_at=-1, gate=gate))
    node = make_node([namespace("/o", origin.url)], settings={"limits": {"waiters_per_object": 2}})
    node.get("/o/held")
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(node.get("/o/x").status)) for _ in range(5)]
    for thread in threads:
        thread.start()
    processes.wait_until("the limit is reached", lambda: refused(node, "waiters_per_object") > 0)
    assert node.get("/o/held").status == 200
    processes.wait_until("who is one too many is told so", lambda: 503 in statuses)
    gate.open()
    for thread in threads:
        thread.join()
    assert set(statuses) == {200, 503}
    assert statuses.count(503) == refused(node, "waiters_per_object")
    assert len([one for one in origin.requests() if one.path == "/x"]) == 1


def test_connections_of_one_origin(make_node: MakeNode, origin: HostileOrigin) -> None:
    gate = Gate()
    for number in range(3):
        origin.put(f"/{number}", b"sound", headers=FRESH)
        origin.fail(f"/{number}", Fault(stall_at=-1, gate=gate))
    node = make_node([namespace("/o", origin.url)], settings={"limits": {"origin_connections": 1}})
    threads = [threading.Thread(target=node.get, args=(f"/o/{number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    processes.wait_until("two wait", lambda: refused(node, "origin_connections") == 2)
    gate.open()
    for thread in threads:
        thread.join()


def test_fills(make_node: MakeNode, origin: HostileOrigin) -> None:
    """Large objects are fetched by fills that last as long as their readers; one too many is told so."""
    gate = Gate()
    for name in ("one", "two", "three"):
        origin.put(f"/{name}", b"x" * 4 * MIB, headers=FRESH)
    node = make_node([namespace("/o", origin.url)], settings={"limits": {"fills": 2}})
    for name in ("one", "two", "three"):
        assert node.get(f"/o/{name}", method="HEAD").status == 200  # known: what follows are fills and no first answers
    for name in ("one", "two"):
        origin.fail(f"/{name}", Fault(stall_at=MIB, gate=gate))
    replies: list[Reply] = []
    threads = [
        threading.Thread(target=lambda path=path: replies.append(node.get(path))) for path in ("/o/one", "/o/two")
    ]
    for thread in threads:
        thread.start()
    processes.wait_until("both fills run", lambda: node.metric("forebay_cache_fills") == 2)
    over = node.get("/o/three")
    assert (over.status, refused(node, "fills")) == (503, 1)
    assert over.headers["retry-after"]
    gate.open()
    for thread in threads:
        thread.join()
    assert [(one.status, len(one.body)) for one in replies] == [(200, 4 * MIB)] * 2
    processes.wait_until("the fills are over", lambda: node.metric("forebay_cache_fills") == 0)
    assert node.get("/o/three").status == 200


@pytest.mark.parametrize("http2", [False, True])
def test_idle_connections(make_node: MakeNode, origin: HostileOrigin, http2: bool) -> None:
    node = make_node([namespace("/o", origin.url)], settings={"limits": {"idle_timeout": "1s"}})
    with socket.create_connection(("127.0.0.1", node.port), timeout=30) as idle:
        if http2:
            idle.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
        while idle.recv(4096):
            pass
    assert refused(node, "idle_timeout") >= 1


def test_heads_of_stored_messages(make_node: MakeNode, origin: HostileOrigin) -> None:
    """A hundred large heads do not stay in memory because a hundred names are few."""
    count = 100
    for number in range(count):
        origin.put(f"/{number}", b"sound", headers=(*FRESH, ("X-Large", "y" * 30_000)))
    limits = {"stored_message_bytes": "1MiB"}
    node = make_node([namespace("/m", origin.url, semantics="http")], settings={"limits": limits})
    for number in range(count):
        assert node.get(f"/m/{number}").status == 200
    assert node.metric("forebay_messages_evicted_total") > 0
    assert 0 < node.metric("forebay_message_head_bytes") <= MIB + 2 * 100_000
    assert "; hit" in node.get(f"/m/{count - 1}").headers["cache-status"]


def test_stored_messages(make_node: MakeNode, origin: HostileOrigin) -> None:
    node = make_node([namespace("/m", origin.url, semantics="http")], settings={"limits": {"stored_messages": 100}})
    for number in range(300):
        origin.put(f"/{number}", b"sound", headers=FRESH)
        assert node.get(f"/m/{number}").status == 200
    assert node.metric("forebay_messages_evicted_total") > 0
