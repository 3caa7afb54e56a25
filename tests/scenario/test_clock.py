"""A wall clock that is set while a node runs and between its runs: right bytes, and nothing fresher than it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from content import MIB, make_content

from forebay_lab.clock_shift import ClockShift
from forebay_lab.node import Node, namespace
from forebay_lab.origin import HostileOrigin

MakeNode = Callable[..., Node]

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
BODY = make_content(3 * MIB + 17, 1)


@pytest.fixture
def clock() -> Iterator[ClockShift]:
    with ClockShift() as one:
        yield one


@pytest.fixture
def start(make_node: MakeNode, origin: HostileOrigin, clock: ClockShift, tmp_path: Path) -> Callable[..., Node]:
    """A node over one directory, under the clock that the test sets."""

    def make(ttl: str = "12h") -> Node:
        disk = [{"path": str(tmp_path / "store"), "size": "1GiB"}]
        return make_node(
            [namespace("/o", origin.url, freshness={"ttl": ttl})],
            memory="256MiB",
            settings={"node": {"disk": disk}},
            environment=clock.environment(),
        )

    return make


def held(start: Callable[..., Node], origin: HostileOrigin) -> Node:
    """A node that has the object in memory and on disk."""
    origin.put("/a", BODY)
    node = start()
    assert node.get("/o/a").body == BODY
    node.wait_on_disk(len(BODY))
    return node


def restarted(node: Node, start: Callable[..., Node]) -> Node:
    node.kill()
    return start()


def read(node: Node) -> str:
    """What Cache-Status says of a read whose bytes are right, and which fetched none."""
    reply = node.get("/o/a")
    assert (reply.status, reply.broken) == (200, False)
    assert reply.body == BODY
    return reply.headers["cache-status"]


def test_a_clock_that_jumps_ahead_costs_a_question_and_no_bytes(
    start: Callable[..., Node], origin: HostileOrigin, clock: ClockShift
) -> None:
    node = held(start, origin)
    clock.set(DAY_S)
    assert "hit" in read(node), "what is in the table ages by the steady clock"
    asked = len(origin.requests())
    node = restarted(node, start)
    assert "fwd=stale" in read(node)
    assert len(origin.requests()) == asked + 1
    assert node.metric("forebay_origin_bytes_total") == 0, "it was not changed"
    assert node.metric("forebay_disk_up") == 1


def test_a_clock_that_is_set_back_makes_nothing_younger(
    start: Callable[..., Node], origin: HostileOrigin, clock: ClockShift
) -> None:
    node = held(start, origin)
    asked = len(origin.requests())
    clock.set(-DAY_S)
    node = restarted(node, start)
    assert "fwd=stale" in read(node), "how old a record of the future is nobody knows"
    assert len(origin.requests()) == asked + 1
    assert node.metric("forebay_origin_bytes_total") == 0
    assert "hit" in read(node), "it was asked about under this clock"


def test_a_running_node_does_not_go_by_a_clock_that_is_set(
    start: Callable[..., Node], origin: HostileOrigin, clock: ClockShift
) -> None:
    node = held(start, origin)
    for shift in (DAY_S, -DAY_S, 400 * DAY_S, 0.0):
        clock.set(shift)
        assert "hit" in read(node), shift
    assert len([one for one in origin.requests() if one.method == "GET"]) == 1


def test_a_clock_that_was_behind_makes_nothing_fresh_once_it_is_right(
    start: Callable[..., Node], origin: HostileOrigin, clock: ClockShift
) -> None:
    clock.set(-DAY_S)
    node = held(start, origin)
    assert "hit" in read(node)
    clock.set(0)
    node = restarted(node, start)
    assert "fwd=stale" in read(node), "by the clock it was written yesterday"
    assert node.metric("forebay_origin_bytes_total") == 0
