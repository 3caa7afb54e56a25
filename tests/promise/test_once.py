"""Promise 1: a byte of a version crosses the boundary to its origin once, whoever asks, whenever, in any ranges."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from content import MIB, make_content

from forebay_lab.node import Node, namespace, s3_origin
from forebay_lab.origin import Fault, Gate, HostileOrigin
from forebay_lab.readers import fetch, open_stream
from forebay_lab.swift import Swift

MakeNode = Callable[..., Node]

READERS = 50
OBJECT_BYTES = 64 * MIB


def test_fifty_readers_of_one_cold_object_cost_it_once(swift: Swift, public_bucket: str, make_node: MakeNode) -> None:
    """Staggered full and range readers, some leaving early, some slow, against a real S3 server."""
    body = make_content(OBJECT_BYTES)
    swift.put(public_bucket, "big.bin", body)
    node = make_node([namespace("/data", s3_origin(public_bucket, swift.endpoint))], memory="512MiB")
    before = swift.mark()
    url = f"{node.url}/data/big.bin"
    others_done = threading.Event()
    started = threading.Semaphore(0)

    def read_full() -> bool:
        started.release()
        reply = fetch(url)
        return reply.status == 200 and not reply.broken and reply.body == body

    def read_range(begin: int, length: int) -> bool:
        started.release()
        reply = fetch(url, headers={"Range": f"bytes={begin}-{begin + length - 1}"})
        return reply.status == 206 and not reply.broken and reply.body == body[begin : begin + length]

    def leave_early(length: int) -> bool:
        with open_stream(url) as stream:
            started.release()
            return stream.read(length) == body[:length]

    def read_slowly() -> bool:
        """Takes a little, waits until all others are done, then takes the rest."""
        with open_stream(url) as stream:
            first = stream.read(100_000)
            started.release()
            others_done.wait(120)
            rest = stream.read_rest()
            return first + rest.body == body and not rest.broken

    with ThreadPoolExecutor(READERS) as pool:
        slow, quick = [], []
        for number in range(READERS):
            if number % 10 == 3:
                slow.append(pool.submit(read_slowly))
            elif number % 5 == 1:
                quick.append(pool.submit(leave_early, 50_000 + number * 10_000))
            elif number % 2 == 0:
                quick.append(pool.submit(read_full))
            else:
                quick.append(pool.submit(read_range, number * 1_234_567 % (OBJECT_BYTES - 5 * MIB), 3 * MIB + 11))
            started.acquire(timeout=60)  # staggered: the next begins when this one is under way
        assert all(future.result() for future in quick)
        others_done.set()
        assert all(future.result() for future in slow)

    seen = swift.requests(before)
    assert sum(one.bytes_sent for one in seen) == OBJECT_BYTES
    assert node.metric("forebay_origin_bytes_total") == OBJECT_BYTES
    # On a slow machine the object outlives its freshness meanwhile: then it is asked about, but not fetched.
    assert [one.method for one in seen if one.status != 304] == ["GET"]


def test_late_readers_get_their_first_byte_before_the_fill_ends(origin: HostileOrigin, make_node: MakeNode) -> None:
    body = make_content(8 * MIB)
    gate = Gate()
    origin.put("/a.bin", body)
    origin.fail("/a.bin", Fault(stall_at=3 * MIB, gate=gate))
    node = make_node([namespace("/data", origin.url)])
    with open_stream(f"{node.url}/data/a.bin") as first:
        assert first.read(MIB) == body[:MIB]
        gate.wait_reached()
        with open_stream(f"{node.url}/data/a.bin") as late:
            assert late.read(2 * MIB) == body[: 2 * MIB]
            gate.open()
            assert late.read_rest().body == body[2 * MIB :]
        assert first.read_rest().body == body[MIB:]
    assert len(origin.requests("/a.bin")) == 1


def test_the_reader_who_caused_the_fill_may_leave(origin: HostileOrigin, make_node: MakeNode) -> None:
    body = make_content(8 * MIB)
    gate = Gate()
    origin.put("/a.bin", body)
    origin.fail("/a.bin", Fault(stall_at=2 * MIB, gate=gate))
    node = make_node([namespace("/data", origin.url)])
    with open_stream(f"{node.url}/data/a.bin") as leader:
        leader.read(100)
        with open_stream(f"{node.url}/data/a.bin") as follower:
            assert follower.read(100) == body[:100]
            leader.leave()
            gate.open()
            assert follower.read_rest().body == body[100:]
    assert origin.bytes_sent("/a.bin") == len(body)


def test_an_abandoned_read_does_not_pull_the_whole_object(origin: HostileOrigin, make_node: MakeNode) -> None:
    body = make_content(96 * MIB)
    origin.put("/a.bin", body)
    node = make_node([namespace("/data", origin.url)], settings={"limits": {"fill_window": "4MiB"}})
    with open_stream(f"{node.url}/data/a.bin") as stream:
        assert stream.read(100_000) == body[:100_000]
    # What the kernels hold in their socket buffers was sent as well.
    assert _when_quiet(node) < 32 * MIB
    again = node.get("/data/a.bin")
    assert again.body == body
    assert node.metric("forebay_origin_bytes_total") <= len(body) + 16 * MIB


def _when_quiet(node: Node) -> float:
    """Bytes from origins once no fill is in progress."""
    from forebay_lab import processes

    processes.wait_until("no fill is in progress", lambda: node.metric("forebay_cache_fills") == 0)
    return node.metric("forebay_origin_bytes_total")


def test_the_second_pass_asks_the_origin_nothing(swift: Swift, public_bucket: str, make_node: MakeNode) -> None:
    bodies = {f"store/c/{i}": make_content(200_000 + i, i) for i in range(40)}
    for key, body in bodies.items():
        swift.put(public_bucket, key, body)
    node = make_node([namespace("/data", s3_origin(public_bucket, swift.endpoint), freshness={"ttl": "1h"})])
    for _ in range(2):
        before = swift.mark()
        for key, body in bodies.items():
            assert node.get(f"/data/{key}").body == body
    assert swift.requests(before) == []
    assert node.metric("forebay_origin_bytes_total") == sum(map(len, bodies.values()))


@pytest.mark.parametrize("readers", [1, 8])
def test_notebook_pattern_needs_few_requests_and_no_byte_twice(
    swift: Swift, public_bucket: str, make_node: MakeNode, readers: int
) -> None:
    """Sequential 128 KiB ranges, as HDF5 readers and notebooks make them; counted, not timed."""
    body = make_content(256 * MIB)
    swift.put(public_bucket, "big.nc", body)
    node = make_node([namespace("/data", s3_origin(public_bucket, swift.endpoint))], memory="1GiB")
    before = swift.mark()
    read_in_turns(node.url + "/data/big.nc", body, readers)
    _when_quiet(node)
    seen = swift.requests(before)
    assert sum(one.bytes_sent for one in seen) <= 1.02 * len(body)
    assert len(seen) <= 100, [one.range for one in seen]


def read_in_turns(url: str, body: bytes, readers: int, step_bytes: int = 128 * 1024) -> None:
    """``readers`` threads read every ``readers``-th step each, on kept connections."""
    import http.client
    from urllib.parse import urlsplit

    parts = urlsplit(url)

    def run(number: int) -> bool:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        right = True
        for begin in range(number * step_bytes, len(body), readers * step_bytes):
            end = min(begin + step_bytes, len(body))
            connection.request("GET", parts.path, headers={"Range": f"bytes={begin}-{end - 1}"})
            answer = connection.getresponse()
            right = right and answer.status == 206 and answer.read() == body[begin:end]
        connection.close()
        return right

    with ThreadPoolExecutor(readers) as pool:
        assert all(pool.map(run, range(readers)))
