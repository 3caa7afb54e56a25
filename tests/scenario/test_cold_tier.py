"""The cold tier of the whole program: what leaves the disk comes from a store beside the node, or from the origin."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from content import make_content

from forebay_lab import processes
from forebay_lab.bucket import Bucket
from forebay_lab.node import Node, namespace, sum_metric
from forebay_lab.origin import HostileOrigin

MakeNode = Callable[..., Node]

MIB = 1 << 20
LENGTH = 3 * MIB + 17
COUNT = 32
#: What the namespace may have on the disk: an eighth of the set. The memory holds a half.
QUOTA = "12MiB"
#: What comes while the disk's own queue is full is not kept, and crosses again.
FEW_BYTES = COUNT * LENGTH // 10
FILL_ATTEMPTS = 4
FILL_WAIT_S = 8.0


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with Bucket() as made:
        yield made


class Scene:
    """A set of objects behind a node whose memory and disk are far smaller."""

    def __init__(self, make_node: MakeNode, origin: HostileOrigin, directory: Path) -> None:
        self._make_node = make_node
        self._directory = directory
        self.origin = origin
        self.bodies = {f"/{i}": make_content(LENGTH, i + 1) for i in range(COUNT)}
        for path, body in self.bodies.items():
            origin.put(path, body, etag=f'"{path}"')

    def start(self, url: str, store: str = "store", **cold: Any) -> Node:
        space = namespace(
            "/o", self.origin.url, quota=QUOTA, freshness={"ttl": "1h"}, cold={"url": url, "timeout": "2s", **cold}
        )
        disk = [{"path": str(self._directory / store), "size": "1GiB"}]
        return self._make_node([space], memory="48MiB", settings={"node": {"disk": disk}})

    def read_all(self, node: Node, *, store_is_well: bool = True) -> None:
        """Every object, one after the other, and right."""
        for path, body in self.bodies.items():
            reply = node.get(f"/o{path}")
            assert reply.status == 200
            assert reply.body == body, path
            processes.wait_until("the queues have room", lambda: self._queues_have_room(node, store_is_well))

    @staticmethod
    def _queues_have_room(node: Node, store_is_well: bool) -> bool:
        """For another object: what comes faster than a store takes it is dropped."""
        samples = node.metrics()
        disk = sum_metric(samples, "forebay_disk_queued_bytes")
        return disk == 0 and (not store_is_well or sum_metric(samples, "forebay_cold_queued_bytes") < 2 * MIB)

    def fill(self, node: Node) -> None:
        """Reads all, until what does not fit the disk is in the cold tier: again where a queue was full meanwhile."""
        processes.wait_until("the cold tier is used", lambda: node.metric("forebay_cold_up") == 1)
        enough = (COUNT - 5) * LENGTH
        for attempt in range(FILL_ATTEMPTS):
            self.read_all(node)
            try:
                processes.wait_until(
                    "the rest is cold", lambda: node.metric("forebay_cold_held_bytes") >= enough, timeout_s=FILL_WAIT_S
                )
                return
            except processes.LabError:
                if attempt + 1 == FILL_ATTEMPTS:
                    raise


@pytest.fixture
def scene(make_node: MakeNode, origin: HostileOrigin, tmp_path: Path) -> Scene:
    return Scene(make_node, origin, tmp_path)


def purge(node: Node, **words: str) -> None:
    body = json.dumps(words).encode()
    reply = node.admin("/purge", method="POST", body=body, headers={"Content-Type": "application/json"})
    assert reply.status == 200


def test_a_second_pass_costs_the_origin_nothing(scene: Scene, tmp_path: Path) -> None:
    """With a tree of files as the store; also after a kill."""
    (tmp_path / "cold").mkdir()
    node = scene.start(f"file://{tmp_path}/cold")
    scene.fill(node)
    crossed = scene.origin.bytes_sent()
    assert crossed >= COUNT * LENGTH
    scene.read_all(node)
    assert scene.origin.bytes_sent() <= crossed + FEW_BYTES
    assert node.metric("forebay_served_bytes_total", tier="cold") > 10 * LENGTH
    assert node.metric("forebay_cold_reads_total", result="hit") > 10
    processes.wait_until(
        "what the second pass pushed out is cold", lambda: node.metric("forebay_cold_queued_bytes") == 0
    )
    node.kill()
    again = scene.start(f"file://{tmp_path}/cold")
    processes.wait_until("the cold tier is used", lambda: again.metric("forebay_cold_up") == 1)
    scene.read_all(again)
    assert scene.origin.bytes_sent() <= crossed + FEW_BYTES


def test_a_bucket_and_what_the_answers_say(scene: Scene, bucket: Bucket) -> None:
    node = scene.start(bucket.url("site/a"))
    scene.fill(node)
    asked = len(scene.origin.requests())
    reply = node.get("/o/0")
    assert reply.body == scene.bodies["/0"]
    status = reply.headers["cache-status"]
    assert "hit" in status
    assert "detail=cold" in status
    assert len(scene.origin.requests()) == asked
    assert all(key.startswith("site/a/v1/") for key in bucket.packs())
    assert node.metric("forebay_cold_written_bytes_total") == sum(len(bucket.objects[key]) for key in bucket.packs())


def test_what_was_purged_is_not_served_from_the_cold_tier(scene: Scene, bucket: Bucket) -> None:
    node = scene.start(bucket.url("a"))
    scene.fill(node)
    purged = [path for path in scene.bodies if path == "/0" or path.startswith("/1")]
    purge(node, path="/o/0")
    purge(node, prefix="/o/1")
    changed = make_content(LENGTH, 99)
    for path in purged:
        scene.origin.put(path, changed, etag=f'"{path}"')  # only the purge tells that it is another
    node.kill()
    again = scene.start(bucket.url("a"))
    processes.wait_until("the cold tier is used", lambda: again.metric("forebay_cold_up") == 1)
    for path in purged:
        assert again.get(f"/o{path}").body == changed, path
    asked = len(scene.origin.requests())
    assert again.get("/o/3").body == scene.bodies["/3"]
    assert len(scene.origin.requests()) == asked, "what was not purged is there"


def test_damaged_packs_are_misses(scene: Scene, bucket: Bucket) -> None:
    node = scene.start(bucket.url("a"))
    scene.fill(node)
    bucket.damage()
    scene.read_all(node)
    assert node.metric("forebay_cold_reads_total", result="damaged") > 0
    assert scene.origin.bytes_sent() > COUNT * LENGTH


@pytest.mark.parametrize("trouble", ["dead", "hangs"])
def test_a_store_that_does_not_answer_costs_little(scene: Scene, bucket: Bucket, trouble: str) -> None:
    node = scene.start(bucket.url("a"), timeout="200ms")
    scene.fill(node)
    setattr(bucket, trouble, True)
    scene.read_all(node, store_is_well=False)
    assert node.metric("forebay_cold_up") == 0
    asked = len(bucket.requests)
    began = time.monotonic()
    scene.read_all(node, store_is_well=False)
    # A store that is left alone is not asked by readers: a probe now and then is all that comes.
    assert len(bucket.requests) - asked <= (time.monotonic() - began) / 2 + 4
    if trouble == "hangs":
        return
    bucket.dead = False
    # Probes come ever more rarely.
    processes.wait_until("it is used again", lambda: node.metric("forebay_cold_up") == 1, timeout_s=120)


@pytest.mark.parametrize("status", [403, 507])
def test_a_full_store_is_read_and_not_written(scene: Scene, bucket: Bucket, status: int) -> None:
    node = scene.start(bucket.url("a"))
    scene.fill(node)
    crossed = scene.origin.bytes_sent()
    bucket.write_status = status
    for path, body in scene.bodies.items():
        scene.origin.put(f"/more{path}", body)
    for path, body in scene.bodies.items():
        assert node.get(f"/o/more{path}").body == body
    processes.wait_until("drops are counted", lambda: node.metric("forebay_cold_dropped_bytes_total") > 0)
    assert node.metric("forebay_cold_up") == 1
    assert node.get("/o/0").body == scene.bodies["/0"]
    assert scene.origin.bytes_sent() >= crossed + COUNT * LENGTH


def test_lifetime_and_size_are_kept(scene: Scene, bucket: Bucket) -> None:
    node = scene.start(bucket.url("a"), size="20MiB")
    processes.wait_until("the cold tier is used", lambda: node.metric("forebay_cold_up") == 1)
    scene.read_all(node)
    processes.wait_until("the oldest made room", lambda: node.metric("forebay_cold_deleted_packs_total") > 0)
    processes.wait_until("it is written", lambda: node.metric("forebay_cold_queued_bytes") == 0)
    assert sum(len(bucket.objects[key]) for key in bucket.packs()) <= 20 * MIB
    node.config["namespace"][0]["cold"]["lifetime"] = "1s"
    node.write_config()
    node.reload()
    processes.wait_until("all are too old", lambda: not bucket.packs())
    scene.read_all(node)


def test_two_nodes_never_share_a_prefix(scene: Scene, bucket: Bucket) -> None:
    node = scene.start(bucket.url("a"))
    scene.fill(node)
    kept = dict(bucket.objects)
    other = scene.start(bucket.url("a"), store="other")
    scene.read_all(other)
    assert other.metric("forebay_cold_up") == 0
    assert "belongs to the node" in other.log.read_text()
    assert {key: body for key, body in bucket.objects.items() if key in kept} == kept
