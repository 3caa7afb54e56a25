"""Promise 2: every response is one version, complete, or a clear error, or visibly broken off."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from content import MIB, make_content

from forebay_lab.node import Node, namespace
from forebay_lab.origin import EVERY_TIME, Fault, Gate, HostileOrigin
from forebay_lab.readers import Reply, fetch, open_stream

MakeNode = Callable[..., Node]
PATH = "/a.bin"


def node_for(origin: HostileOrigin, make_node: MakeNode, **settings: object) -> Node:
    return make_node([namespace("/data", origin.url, freshness={"ttl": "0s"})], settings=settings)


def problem(reply: Reply) -> dict[str, object]:
    assert reply.headers["content-type"].startswith("application/problem+json"), reply
    return json.loads(reply.body)


def test_overwritten_between_reads(origin: HostileOrigin, make_node: MakeNode) -> None:
    node = node_for(origin, make_node)
    for version in range(1, 6):
        body = make_content(2 * MIB + version, version)
        origin.put(PATH, body)
        reply = node.get("/data" + PATH)
        assert reply.body == body
        part = node.get("/data" + PATH, headers={"Range": "bytes=1000000-1999999"})
        assert part.body == body[1_000_000:2_000_000]


def test_overwritten_during_a_read_by_ranges(origin: HostileOrigin, make_node: MakeNode) -> None:
    """Half is held of one version when the other comes: never a mixture."""
    old, new = make_content(4 * MIB, 1), make_content(4 * MIB, 2)
    origin.put(PATH, old)
    node = make_node([namespace("/data", origin.url, freshness={"ttl": "1h"})])
    assert node.get("/data" + PATH, headers={"Range": f"bytes=0-{MIB - 1}"}).body == old[:MIB]
    origin.put(PATH, new)
    with open_stream(f"{node.url}/data{PATH}") as stream:
        rest = stream.read_rest()
    if rest.status == 200 and not rest.broken:
        assert rest.body in (old, new)
    else:
        assert old.startswith(rest.body)
    assert node.get("/data" + PATH).body == new


def test_overwritten_while_many_read(origin: HostileOrigin, make_node: MakeNode) -> None:
    versions = [make_content(MIB + number, number) for number in range(1, 9)]
    origin.put(PATH, versions[0])
    node = node_for(origin, make_node)
    stop = threading.Event()

    def overwrite() -> None:
        for turn in range(400):
            if stop.is_set():
                return
            origin.put(PATH, versions[turn % len(versions)])

    def read(number: int) -> None:
        for turn in range(15):
            begin = (number * 77_777 + turn * 31_337) % MIB
            whole = turn % 2 == 0
            headers = {} if whole else {"Range": f"bytes={begin}-{begin + 70_000}"}
            try:
                reply = fetch(f"{node.url}/data{PATH}", headers=headers)
            except ConnectionError:
                continue  # broken off before a byte of the head
            if reply.broken or reply.status >= 500:
                continue
            etag = reply.headers["etag"]
            if reply.status == 200:
                assert reply.body in versions
            else:
                assert reply.status == 206
                assert any(reply.body == one[begin : begin + 70_001] for one in versions), etag

    with ThreadPoolExecutor(9) as pool:
        writer = pool.submit(overwrite)
        for future in [pool.submit(read, number) for number in range(8)]:
            future.result()
        stop.set()
        writer.result()


def test_eviction_under_slow_readers(origin: HostileOrigin, make_node: MakeNode) -> None:
    """A cache of 16 MiB, slow readers in the middle of an object, and everything else streaming past them."""
    bodies = {f"/o{number}.bin": make_content(12 * MIB + number, number) for number in range(8)}
    for path, body in bodies.items():
        origin.put(path, body)
    node = make_node([namespace("/data", origin.url, freshness={"ttl": "1h"})], memory="16MiB")
    with (
        open_stream(f"{node.url}/data/o0.bin") as slow_one,
        open_stream(f"{node.url}/data/o1.bin") as slow_two,
    ):
        begun = [slow_one.read(200_000), slow_two.read(300_000)]
        for _ in range(2):
            for path, body in bodies.items():
                assert node.get("/data" + path).body == body
        rest = [slow_one.read_rest(), slow_two.read_rest()]
    for number, (head, tail) in enumerate(zip(begun, rest, strict=True)):
        body = bodies[f"/o{number}.bin"]
        assert not tail.broken
        assert head + tail.body == body
    assert node.metric("forebay_memory_evicted_bytes_total") > 0


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (Fault(reset_at=MIB), "reset"),
        (Fault(truncate_at=MIB), "truncated"),
        (Fault(status=503), "503"),
        (Fault(status=500), "500"),
        (Fault(reset_at=-1), "reset before the head"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_fault_is_healed(origin: HostileOrigin, make_node: MakeNode, fault: Fault, name: str) -> None:
    body = make_content(3 * MIB)
    origin.put(PATH, body)
    origin.fail(PATH, fault)
    node = node_for(origin, make_node)
    reply = node.get("/data" + PATH)
    assert (reply.status, reply.body == body, reply.broken) == (200, True, False), name


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (Fault(reset_at=MIB), "reset"),
        (Fault(truncate_at=MIB), "truncated"),
        (Fault(status=500, body=b"boom"), "500"),
        (Fault(status=503), "503"),
        (Fault(status=403, body=b"denied"), "403"),
        (Fault(reset_at=-1), "reset before the head"),
        (Fault(claim_length=5 * MIB), "claims more than it sends"),
        (Fault(content_range="bytes 0-99/100"), "wrong Content-Range"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_lasting_fault_is_an_error_and_never_a_404(
    origin: HostileOrigin, make_node: MakeNode, fault: Fault, name: str
) -> None:
    body = make_content(3 * MIB)
    origin.put(PATH, body)
    origin.fail(PATH, fault, times=EVERY_TIME)
    node = node_for(origin, make_node)
    for headers in ({}, {"Range": "bytes=5000-2999999"}):
        try:
            reply = fetch(f"{node.url}/data{PATH}", headers=headers)
        except ConnectionError:
            continue
        assert reply.status != 404, name
        if reply.status in (200, 206) and not reply.broken:
            # A lie about the length or the range that never came to matter must still give right bytes.
            assert reply.body == (body if reply.status == 200 else body[5_000:3_000_000]), name
        elif reply.status >= 400:
            assert problem(reply)["status"] == reply.status
            assert "origin" in problem(reply)


def test_a_range_answered_with_200_gives_the_range(origin: HostileOrigin, make_node: MakeNode) -> None:
    body = make_content(2 * MIB)
    origin.put(PATH, body, ranges=False)
    node = node_for(origin, make_node)
    reply = node.get("/data" + PATH, headers={"Range": "bytes=700000-700999"})
    assert (reply.status, reply.body) == (206, body[700_000:701_000])
    assert reply.headers["content-range"] == f"bytes 700000-700999/{len(body)}"


def test_a_stalled_origin_is_a_timeout_and_others_are_served(origin: HostileOrigin, make_node: MakeNode) -> None:
    gate = Gate()
    origin.put(PATH, make_content(MIB))
    origin.put("/b.bin", make_content(MIB, 2))
    origin.fail(PATH, Fault(stall_at=-1, gate=gate), times=EVERY_TIME)
    node = node_for(
        origin,
        make_node,
        limits={"connect_timeout": "400ms", "first_byte_timeout": "500ms", "read_timeout": "2s", "attempts": 1},
    )
    stalled = node.get("/data" + PATH)
    assert stalled.status == 504
    assert problem(stalled)["origin"]
    assert node.get("/data/b.bin").body == make_content(MIB, 2)
    gate.open()


def test_a_dead_origin_is_a_502_and_what_is_held_stays_readable(origin: HostileOrigin, make_node: MakeNode) -> None:
    body = make_content(MIB)
    origin.put(PATH, body)
    node = node_for(origin, make_node, limits={"attempts": 1})
    assert node.get("/data" + PATH).body == body
    origin.close()
    stale = node.get("/data" + PATH)
    assert (stale.status, stale.body == body) == (200, True)
    unknown = node.get("/data/unknown")
    assert unknown.status == 502
    assert problem(unknown)["origin"]


def test_throttling_is_passed_on_with_its_retry_after(origin: HostileOrigin, make_node: MakeNode) -> None:
    origin.put(PATH, b"x")
    origin.fail(PATH, Fault(status=429, headers=(("Retry-After", "120"),)), times=EVERY_TIME)
    node = node_for(
        origin, make_node, limits={"connect_timeout": "1s", "first_byte_timeout": "1s", "read_timeout": "2s"}
    )
    reply = node.get("/data" + PATH)
    assert reply.status in (429, 503)
    assert reply.headers["retry-after"] == "120"


def test_not_found_is_the_origins_own_word_and_is_remembered_shortly(
    origin: HostileOrigin, make_node: MakeNode
) -> None:
    node = node_for(origin, make_node)
    assert node.get("/data/none").status == 404
    assert node.get("/data/none").status == 404
    assert len(origin.requests("/none")) == 1


def test_without_a_validator_ranges_pass_uncombined(origin: HostileOrigin, make_node: MakeNode) -> None:
    old, new = make_content(MIB, 1), make_content(MIB, 2)
    origin.put(PATH, old, etag=None, last_modified=None)
    node = node_for(origin, make_node)
    first = node.get("/data" + PATH, headers={"Range": "bytes=0-9"})
    assert first.body == old[:10]
    origin.put(PATH, new, etag=None, last_modified=None)
    second = node.get("/data" + PATH, headers={"Range": "bytes=10-19"})
    assert second.body == new[10:20]
    for reply in (first, second):
        assert reply.headers["cache-status"].endswith("detail=no-validator")


def test_unknown_length_is_streamed_whole(origin: HostileOrigin, make_node: MakeNode) -> None:
    body = make_content(2 * MIB + 1)
    origin.put(PATH, body, chunked=True)
    node = node_for(origin, make_node)
    reply = node.get("/data" + PATH)
    assert (reply.status, reply.body == body, reply.broken) == (200, True, False)
