"""The disk tier of the whole program: what outlives a restart, and what a broken disk costs."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from forebay_lab import processes
from forebay_lab.node import Node, namespace
from forebay_lab.origin import HostileOrigin
from forebay_lab.programs import find_program
from forebay_lab.readers import fetch

MakeNode = Callable[..., Node]

MIB = 1 << 20
FRESH = {"freshness": {"ttl": "1h"}}


def body_of(number: int, length: int = 3 * MIB + 17) -> bytes:
    """Bytes that no other object has."""
    seed = hashlib.sha256(str(number).encode()).digest()
    return b"".join(hashlib.sha256(seed + i.to_bytes(4, "big")).digest() for i in range(length // 32 + 1))[:length]


@pytest.fixture
def start(make_node: MakeNode, origin: HostileOrigin, tmp_path: Path) -> Callable[..., Node]:
    """A node whose disk tier lies in one directory of the test, also when it is started again."""

    def make(**options: object) -> Node:
        disk = [{"path": str(tmp_path / "store"), "size": "1GiB"}]
        return make_node(
            [namespace("/o", origin.url, **FRESH)], memory="512MiB", settings={"node": {"disk": disk}}, **options
        )

    return make


def damage_first_segment(store: Path) -> Path:
    """Another byte in the middle of an object's bytes."""
    segment = min(store.glob("*.seg"))
    with segment.open("r+b") as file:
        file.seek(MIB)
        [old] = file.read(1)
        file.seek(MIB)
        file.write(bytes([old ^ 1]))
    return segment


def test_a_killed_node_finds_again_what_it_had(start: Callable[..., Node], origin: HostileOrigin) -> None:
    bodies = {f"/a{i}": body_of(i) for i in range(8)}
    for path, body in bodies.items():
        origin.put(path, body)
    node = start()
    for path, body in bodies.items():
        assert node.get(f"/o{path}").body == body
    node.wait_on_disk(sum(map(len, bodies.values())))
    node.kill()
    asked = len(origin.requests())
    again = start()
    for path, body in bodies.items():
        reply = again.get(f"/o{path}")
        assert reply.body == body
        assert "hit" in reply.headers["cache-status"]
    assert len(origin.requests()) == asked, "everything was on disk"
    assert again.metric("forebay_served_bytes_total", tier="disk") == sum(map(len, bodies.values()))
    assert again.metric("forebay_origin_bytes_total") == 0


def test_what_was_purged_before_a_kill_stays_purged(start: Callable[..., Node], origin: HostileOrigin) -> None:
    for path in ("/x/a", "/x/b", "/y"):
        origin.put(path, body_of(1, MIB), etag='"same"')
    node = start()
    for path in ("/x/a", "/x/b", "/y"):
        node.get(f"/o{path}")
    node.wait_on_disk(3 * MIB)
    for query in ({"prefix": "/o/x/"}, {"path": "/o/y"}):
        [(scope, value)] = query.items()
        words = json.dumps({scope: value}).encode()
        reply = node.admin("/purge", method="POST", body=words, headers={"Content-Type": "application/json"})
        assert reply.status == 200
    node.kill()
    for path in ("/x/a", "/x/b", "/y"):
        origin.put(path, body_of(2, MIB), etag='"same"')  # only the purge tells that these are others
    again = start()
    for path in ("/x/a", "/x/b", "/y"):
        assert again.get(f"/o{path}").body == body_of(2, MIB), path


def test_a_damaged_segment_costs_its_bytes_and_no_reader_notices(
    start: Callable[..., Node], origin: HostileOrigin, tmp_path: Path
) -> None:
    origin.put("/a", body_of(1))
    node = start()
    node.get("/o/a")
    node.wait_on_disk(len(body_of(1)))
    node.kill()
    damage_first_segment(tmp_path / "store")
    again = start()
    assert again.get("/o/a").body == body_of(1)
    assert 0 < again.metric("forebay_origin_bytes_total") <= 65536


def test_a_second_node_on_the_same_directory_serves_without_it(
    start: Callable[..., Node], origin: HostileOrigin
) -> None:
    origin.put("/a", body_of(1))
    first = start()
    second = start()
    assert first.get("/o/a").body == second.get("/o/a").body == body_of(1)
    assert second.metric("forebay_disk_refused_directories") == 1
    assert "in use by another process" in second.log.read_text()


def test_a_directory_of_other_files_is_left_alone(make_node: MakeNode, origin: HostileOrigin, tmp_path: Path) -> None:
    origin.put("/a", body_of(1))
    (tmp_path / "thesis.tex").write_text("years of work")
    node = make_node(
        [namespace("/o", origin.url)],
        memory="64MiB",
        settings={"node": {"disk": [{"path": str(tmp_path), "size": "1GiB"}]}},
    )
    assert fetch(f"{node.url}/o/a").body == body_of(1)
    assert "thesis.tex" in node.log.read_text()
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.tex"]


def test_store_check_tells_what_is_whole_and_what_is_not(
    start: Callable[..., Node], origin: HostileOrigin, tmp_path: Path
) -> None:
    origin.put("/a", body_of(1))
    node = start()
    node.get("/o/a")
    node.wait_on_disk(len(body_of(1)))
    directory = str(tmp_path / "store")
    busy = subprocess.run([find_program("forebay"), "store", "check", directory], capture_output=True, text=True)
    assert busy.returncode == 1
    assert "in use by another process" in busy.stderr
    node.stop()
    whole = subprocess.run([find_program("forebay"), "store", "check", directory], capture_output=True, text=True)
    assert whole.returncode == 0, whole.stdout + whole.stderr
    assert "0 damaged" in whole.stdout
    stat = subprocess.run([find_program("forebay"), "store", "stat", directory], capture_output=True, text=True)
    assert stat.returncode == 0
    assert "1 record" in stat.stdout
    segment = damage_first_segment(tmp_path / "store")
    damaged = subprocess.run([find_program("forebay"), "store", "check", directory], capture_output=True, text=True)
    assert damaged.returncode == 1
    assert "1 damaged" in damaged.stdout
    assert segment.name in damaged.stdout


def test_a_node_that_is_told_nothing_has_a_disk_tier_below_the_users_cache(
    make_node: MakeNode, origin: HostileOrigin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    origin.put("/a", body_of(1))
    spaces = [namespace("/o", origin.url, **FRESH)]
    node = make_node(spaces, memory="64MiB")
    del node.config["node"]["disk"]
    node.stop()
    node.start()
    node.get("/o/a")
    node.wait_on_disk(len(body_of(1)))
    assert list((tmp_path / "cache/forebay/store").glob("*.seg"))
    node.kill()
    asked = len(origin.requests())
    node.start()
    assert node.get("/o/a").body == body_of(1)
    assert len(origin.requests()) == asked


def test_a_quota_is_of_a_namespace_and_outlives_a_restart(
    make_node: MakeNode, origin: HostileOrigin, tmp_path: Path
) -> None:
    for number in range(12):
        origin.put(f"/b/{number}", body_of(number, MIB))
        origin.put(f"/s/{number}", body_of(number, MIB))
    spaces = [
        namespace("/big", f"{origin.url}/b", **FRESH),
        namespace("/small", f"{origin.url}/s", quota="4MiB", **FRESH),
    ]
    disk = [{"path": str(tmp_path / "store"), "size": "1GiB"}]
    node = make_node(spaces, memory="512MiB", settings={"node": {"disk": disk}})
    for number in range(12):
        node.get(f"/small/{number}")
        node.get(f"/big/{number}")
    node.wait_on_disk(12 * MIB)

    def held(space: str) -> float:
        return node.metric("forebay_disk_namespace_bytes", namespace=space)

    processes.wait_until("all of /big is on disk", lambda: held("/big") == 12 * MIB)
    assert MIB <= held("/small") <= 4 * MIB
    node.stop()
    node.config["namespace"].reverse()  # the order in the file says nothing
    node.start()
    assert held("/big") == 12 * MIB
    processes.wait_until("the quota holds again", lambda: MIB <= held("/small") <= 4 * MIB)
    assert node.metric("forebay_disk_namespace_quota_bytes", namespace="/small") == 4 * MIB
