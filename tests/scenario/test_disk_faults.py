"""A disk that fails under a running node: service goes on with right bytes, and the metrics tell what happened.

The faults come from ``disk_fault``, which stands between the program and its files; each test counts that they came.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from content import MIB, make_content

from forebay_lab import processes
from forebay_lab.disk_fault import DiskFault
from forebay_lab.node import Node, namespace
from forebay_lab.origin import HostileOrigin

MakeNode = Callable[..., Node]

FRESH = {"freshness": {"ttl": "1h"}}
#: I/O errors after which a directory is given up (`errors_limit` of the store).
ERRORS_LIMIT = 16
#: Threads of the node that read from one directory.
DISK_READERS = 8


@pytest.fixture
def fault(tmp_path: Path) -> Iterator[DiskFault]:
    with DiskFault(tmp_path / "store") as one:
        yield one


@pytest.fixture
def start(make_node: MakeNode, origin: HostileOrigin, fault: DiskFault, tmp_path: Path) -> Callable[..., Node]:
    """A node over the directory that ``fault`` breaks, also when it is started again."""

    def make(**limits: object) -> Node:
        disk = [{"path": str(tmp_path / "store"), "size": "1GiB"}]
        return make_node(
            [namespace("/o", origin.url, **FRESH)],
            memory="512MiB",
            settings={"node": {"disk": disk}, "limits": limits},
            environment=fault.environment(),
        )

    return make


def put(origin: HostileOrigin, count: int, first: int = 0, length: int = MIB + 17) -> dict[str, bytes]:
    """Objects at the origin, by the paths that readers use."""
    bodies = {f"/o/{number}": make_content(length, number + 1) for number in range(first, first + count)}
    for path, body in bodies.items():
        origin.put(path.removeprefix("/o"), body)
    return bodies


def read_all(node: Node, bodies: dict[str, bytes]) -> None:
    for path, body in bodies.items():
        reply = node.get(path)
        assert (reply.status, reply.broken) == (200, False), path
        assert reply.body == body, path


def restarted_over(start: Callable[..., Node], bodies: dict[str, bytes], **limits: object) -> Node:
    """A node with an empty memory and these objects on its disk."""
    node = start()
    read_all(node, bodies)
    node.wait_on_disk(sum(map(len, bodies.values())))
    assert node.stop() == 0
    return start(**limits)


def test_reads_that_fail_are_answered_by_the_origin(
    start: Callable[..., Node], origin: HostileOrigin, fault: DiskFault
) -> None:
    bodies = put(origin, 4)
    node = restarted_over(start, bodies)
    fault.fail("read", errno.EIO, times=3)
    read_all(node, bodies)
    assert fault.counted("read").injected > 0
    assert node.metric("forebay_disk_read_errors_total") == fault.counted("read").injected
    assert node.metric("forebay_disk_up") == 1, "a few errors are no reason to give the directory up"


def test_a_disk_that_fails_every_read_is_given_up(
    start: Callable[..., Node], origin: HostileOrigin, fault: DiskFault
) -> None:
    bodies = put(origin, ERRORS_LIMIT + 4, length=64 * 1024)
    node = restarted_over(start, bodies)
    fault.fail("read", errno.EIO)
    read_all(node, bodies)
    processes.wait_until("the directory is given up", lambda: node.metric("forebay_disk_up") == 0)
    assert node.metric("forebay_disk_read_errors_total") >= ERRORS_LIMIT
    assert "is no longer used" in node.log.read_text()
    read_all(node, bodies | put(origin, 2, first=100))
    fault.behave()
    node.kill()
    again = start()
    read_all(again, bodies)
    assert again.metric("forebay_disk_up") == 1, "a new start looks at the disk anew"


def test_short_reads_and_writes_are_finished(
    start: Callable[..., Node], origin: HostileOrigin, fault: DiskFault
) -> None:
    fault.shorten("write", every=2)
    fault.shorten("read", every=2)
    bodies = put(origin, 6)
    node = restarted_over(start, bodies)
    read_all(node, bodies)
    assert fault.counted("write").injected > 0
    assert fault.counted("read").injected > 0
    assert node.metric("forebay_origin_bytes_total") == 0, "all of it is on disk, and right"
    assert node.metric("forebay_disk_read_errors_total") == 0


def test_a_flipped_bit_costs_a_block(start: Callable[..., Node], origin: HostileOrigin, fault: DiskFault) -> None:
    bodies = put(origin, 3)
    node = restarted_over(start, bodies)
    fault.flip(times=1)
    read_all(node, bodies)
    assert fault.counted("read").injected == 1
    # A segment without a footer may have been torn by a crash: that is no sign of a bad disk.
    assert node.metric("forebay_disk_damaged_blocks_total") + node.metric("forebay_disk_torn_blocks_total") == 1
    assert 0 < node.metric("forebay_origin_bytes_total") <= 64 * 1024


@pytest.mark.parametrize(
    ("operation", "number", "up"),
    [
        ("write", errno.EIO, 1),
        ("write", errno.ENOSPC, 1),
        ("create", errno.ENOSPC, 1),
        ("sync", errno.EIO, 1),
        ("write", errno.EROFS, 0.5),
        ("create", errno.EROFS, 0.5),
    ],
    ids=lambda value: errno.errorcode.get(value) if isinstance(value, int) and value > 1 else None,
)
def test_a_disk_that_takes_no_bytes_is_still_read(
    start: Callable[..., Node], origin: HostileOrigin, fault: DiskFault, operation: str, number: int, up: float
) -> None:
    """``up``: a read-only disk is not written to again, the others are."""
    held = put(origin, 4)
    node = restarted_over(start, held)
    fault.fail(operation, number, times=4)
    # More than what a segment has room for, so that one is closed (synced) and another created.
    new = put(origin, 24, first=10)
    read_all(node, new)
    processes.wait_until("a fault came", lambda: fault.counted(operation).injected > 0)
    read_all(node, held)
    assert node.metric("forebay_origin_bytes_total") == sum(map(len, new.values())), "what is held is still served"
    assert node.metric("forebay_disk_write_errors_total") > 0
    assert node.metric("forebay_disk_up") == up
    fault.behave()
    node.kill()
    again = start()
    read_all(again, held | new)
    assert again.metric("forebay_disk_up") == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MiB at the node's directory."""
    path = tmp_path / "store"
    path.mkdir(exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(path)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("only root mounts a file system")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def test_a_node_starts_on_a_full_disk(small_disk: Path, make_node: MakeNode, origin: HostileOrigin) -> None:
    disk = [{"path": str(small_disk), "size": "1GiB"}]
    spaces = [namespace("/o", origin.url, **FRESH)]
    node = make_node(spaces, memory="64MiB", settings={"node": {"disk": disk}})
    held = put(origin, 4)
    read_all(node, held)
    node.wait_on_disk(sum(map(len, held.values())))
    node.kill()
    with contextlib.suppress(OSError), (small_disk / "others").open("wb", buffering=0) as others:
        while others.write(bytes(4096)) > 0:
            pass
    assert os.statvfs(small_disk).f_bavail == 0
    again = make_node(spaces, memory="64MiB", settings={"node": {"disk": disk}})
    read_all(again, held | put(origin, 2, first=10))
    assert again.metric("forebay_disk_up") == 1
    assert again.metric("forebay_origin_bytes_total") == 2 * (MIB + 17), "what is held is still served"
    (small_disk / "others").unlink()


def segment_flags(node: Node) -> list[int]:
    """Of each segment that the node has open, what it was opened with."""
    assert node.process is not None
    home = Path("/proc") / str(node.process.pid)
    found = []
    for each in (home / "fd").iterdir():
        if str(each.readlink()).endswith(".seg"):
            lines = (home / "fdinfo" / each.name).read_text().splitlines()
            found += [int(line.split()[1], 8) for line in lines if line.startswith("flags:")]
    return found


def test_segments_are_read_and_written_past_the_page_cache(
    start: Callable[..., Node], origin: HostileOrigin, tmp_path: Path
) -> None:
    try:
        os.close(os.open(tmp_path / "probe", os.O_CREAT | os.O_RDWR | os.O_DIRECT))
    except OSError as error:
        pytest.skip(f"THE FILE SYSTEM OF {tmp_path} TAKES NO O_DIRECT: {error}")
    bodies = put(origin, 3)
    node = restarted_over(start, bodies)
    read_all(node, bodies)
    flags = segment_flags(node)
    assert flags
    assert all(each & os.O_DIRECT for each in flags)


def test_a_file_system_without_direct_access_is_used_all_the_same(
    start: Callable[..., Node], origin: HostileOrigin, fault: DiskFault
) -> None:
    fault.fail("direct", errno.EINVAL)
    bodies = put(origin, 24)  # more than one segment holds
    node = start()
    read_all(node, bodies)
    node.wait_on_disk(sum(map(len, bodies.values())))
    assert fault.counted("direct").injected == 1, "the first refusal is believed"
    flags = segment_flags(node)
    assert flags
    assert not any(each & os.O_DIRECT for each in flags)
    assert node.stop() == 0
    again = start()
    read_all(again, bodies)
    assert fault.counted("direct").injected == 2
    assert again.metric("forebay_origin_bytes_total") == 0
    assert again.metric("forebay_disk_up") == 1
    assert again.metric("forebay_disk_write_errors_total") == 0


def test_deleted_files_are_fetched_again(
    start: Callable[..., Node], origin: HostileOrigin, fault: DiskFault, tmp_path: Path
) -> None:
    bodies = put(origin, 4)
    node = restarted_over(start, bodies)
    for segment in (tmp_path / "store").glob("*.seg"):
        segment.unlink()
    more = put(origin, 24, first=10)
    read_all(node, bodies | more)
    assert node.metric("forebay_disk_up") == 1
    node.kill()
    read_all(start(), bodies | more)
    assert fault.counted("read").injected == 0, "this test needs none"


def test_a_purge_that_cannot_be_written_is_not_acknowledged(
    start: Callable[..., Node], origin: HostileOrigin, fault: DiskFault
) -> None:
    bodies = put(origin, 1)
    node = restarted_over(start, bodies)
    read_all(node, bodies)
    fault.fail("append", errno.EIO)
    origin.put("/0", make_content(MIB, 77))
    words = json.dumps({"path": "/o/0"}).encode()
    reply = node.admin("/purge", method="POST", body=words, headers={"Content-Type": "application/json"})
    assert reply.status >= 500
    assert fault.counted("append").injected > 0
    assert node.metric("forebay_disk_up") == 0
    assert node.get("/o/0").body == make_content(MIB, 77), "it holds in this run all the same"


def test_a_disk_that_does_not_answer_blocks_nobody_else(
    start: Callable[..., Node], origin: HostileOrigin, fault: DiskFault
) -> None:
    """While every read of the disk is held, with more readers than loops and threads, hits in memory go on."""
    on_disk, in_memory = put(origin, 4 * DISK_READERS), put(origin, 4, first=100)
    node = restarted_over(start, on_disk, disk_read_timeout="5m")
    read_all(node, in_memory)
    with ThreadPoolExecutor(len(on_disk)) as pool:
        with fault.reads_held():
            readers = [pool.submit(node.get, path) for path in on_disk]
            processes.wait_until("the disk's threads are all held", lambda: fault.waiting() == DISK_READERS)
            ended = fault.counted("read").calls - fault.waiting()
            for _ in range(50):
                read_all(node, in_memory)
            assert fault.waiting() == DISK_READERS
            assert fault.counted("read").calls - fault.waiting() == ended, "no read ended meanwhile"
            assert not any(each.done() for each in readers)
        assert [each.result().body for each in readers] == list(on_disk.values())
    assert node.metric("forebay_origin_bytes_total") == sum(map(len, in_memory.values()))
