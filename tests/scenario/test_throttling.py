"""A store that asks one reader to slow down is left alone by all of them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import botocore.exceptions

from forebay_lab import processes
from forebay_lab.node import Node, namespace, s3_origin
from forebay_lab.origin import Fault, Gate, HostileOrigin, SeenRequest

from .test_s3_front import client

MakeNode = Callable[..., Node]

READERS, CONNECTIONS = 60, 4
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


def crowd(make_node: MakeNode, origin: HostileOrigin) -> Node:
    for number in range(READERS):
        origin.put(f"/z/{number}", b"%d" % number)
    limits = {"origin_connections": CONNECTIONS, "read_timeout": "20s", "first_byte_timeout": "20s"}
    store = s3_origin("z", origin.url)
    return make_node([namespace("/z", store)], s3=True, memory="64MiB", settings={"limits": limits})


def read_all(node: Node, origin: HostileOrigin, gate: Gate) -> list[bytes | str]:
    """What each reader got, or the code of his error. The first answers wait until all readers are at the node."""
    s3 = client(node, max_pool_connections=READERS)

    def read(number: int) -> bytes | str:
        try:
            return s3.get_object(Bucket="z", Key=str(number))["Body"].read()
        except botocore.exceptions.ClientError as error:
            return error.response["Error"]["Code"]

    with ThreadPoolExecutor(READERS) as pool:
        reads = [pool.submit(read, number) for number in range(READERS)]
        processes.wait_until("all are at the node", lambda: node.metric("forebay_requests_in_flight") >= READERS)
        origin.wait_requests(CONNECTIONS)
        gate.open()
        return [one.result() for one in reads]


def test_after_a_slow_down_no_reader_asks_within_the_pause(make_node: MakeNode, origin: HostileOrigin) -> None:
    gate = Gate()
    later = (("Retry-After", "3600"),)
    origin.guard = lambda _: Fault(status=503, headers=later, body=SLOW_DOWN, stall_at=-1, gate=gate)
    node = crowd(make_node, origin)
    assert read_all(node, origin, gate) == ["SlowDown"] * READERS
    assert len(origin.requests()) == CONNECTIONS  # those that were under way
    assert node.metric("forebay_origin_throttle_pauses_total") == 1
    assert node.metric("forebay_origin_throttle_waits_total") >= READERS - CONNECTIONS


def test_readers_go_on_when_the_pause_is_over(make_node: MakeNode, origin: HostileOrigin) -> None:
    gate, throttled = Gate(), []

    def guard(request: SeenRequest) -> Fault | None:
        if len(throttled) == CONNECTIONS:
            return None
        throttled.append(request)
        return Fault(status=503, headers=(("Retry-After", "1"),), body=SLOW_DOWN, stall_at=-1, gate=gate)

    origin.guard = guard
    node = crowd(make_node, origin)
    assert read_all(node, origin, gate) == [b"%d" % number for number in range(READERS)]
    assert len(origin.requests()) == READERS + CONNECTIONS
    assert node.metric("forebay_origin_throttle_pauses_total") == 1
