"""Several directories of one node, some of which cannot be used; and what is decided when one is made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from content import MIB, make_content

from forebay_lab import processes
from forebay_lab.node import Node, namespace
from forebay_lab.origin import HostileOrigin
from forebay_lab.processes import LabError

MakeNode = Callable[..., Node]

FRESH = {"freshness": {"ttl": "1h"}}
#: Nobody may write there, not even root: what a disk that was not mounted, or was mounted read-only, is like.
UNWRITABLE = "/proc/forebay-not-mounted"
MARK = "forebay.store"


@pytest.fixture
def start(make_node: MakeNode, origin: HostileOrigin) -> Callable[..., Node]:
    """A node over these directories: paths, or whole tables."""

    def make(*disks: Path | str | dict[str, str]) -> Node:
        tables = [disk if isinstance(disk, dict) else {"path": str(disk), "size": "1GiB"} for disk in disks]
        return make_node([namespace("/o", origin.url, **FRESH)], memory="256MiB", settings={"node": {"disk": tables}})

    return make


def changed(mark: str, line: str, value: str) -> str:
    """The mark of a directory with another value."""
    return "".join(f"{line} {value}\n" if old.startswith(line + " ") else old for old in mark.splitlines(True))


def test_directories_that_cannot_be_used_cost_their_share_and_no_start(
    start: Callable[..., Node], origin: HostileOrigin, tmp_path: Path
) -> None:
    bodies = {f"/o/{number}": make_content(MIB, number) for number in range(4)}
    for path, body in bodies.items():
        origin.put(path.removeprefix("/o"), body)
    good, foreign, newer, other_endian = (tmp_path / name for name in ("good", "foreign", "newer", "endian"))
    node = start(good)
    for path, body in bodies.items():
        assert node.get(path).body == body
    node.wait_on_disk(4 * MIB)
    assert node.stop() == 0
    mark = (good / MARK).read_text()
    for directory, name, text in (
        (foreign, "thesis.tex", "years of work"),
        (newer, MARK, changed(mark, "version", "2")),
        (other_endian, MARK, changed(mark, "endian", "big" if "endian little" in mark else "little")),
    ):
        directory.mkdir()
        (directory / name).write_text(text)
    unusable = {
        UNWRITABLE: "expected a directory that this user may write",
        str(foreign): "holds other files (thesis.tex)",
        str(newer): "was written by a newer Forebay",
        str(other_endian): "byte order",
    }
    again = start(UNWRITABLE, foreign, good, newer, other_endian)
    for path, body in bodies.items():
        assert again.get(path).body == body
    assert again.metric("forebay_origin_bytes_total") == 0, "the good one holds all of it"
    assert again.metric("forebay_disk_refused_directories") == len(unusable)
    lines = again.log.read_text().splitlines()
    for directory, why in unusable.items():
        assert any(directory in line and why in line for line in lines), directory
        assert any(f"{directory} is left out" in line for line in lines), directory
    assert not any(f"{good} is left out" in line for line in lines)
    assert [each.name for each in foreign.iterdir()] == ["thesis.tex"]


def test_a_start_is_refused_when_every_directory_is_unwritable(start: Callable[..., Node]) -> None:
    with pytest.raises(LabError, match="exited with 2") as refused:
        start(UNWRITABLE, UNWRITABLE + "-either")
    assert "expected a directory that this user may write" in str(refused.value)


def test_segments_have_the_length_that_the_configuration_says_for_good(
    start: Callable[..., Node], origin: HostileOrigin, tmp_path: Path
) -> None:
    origin.put("/a", make_content(MIB, 1))
    long, default = tmp_path / "long", tmp_path / "default"

    def disks(length: str) -> list[dict[str, str]]:
        return [
            {"path": str(long), "size": "16GiB", "segment": length},
            {"path": str(default), "size": "16GiB"},
        ]

    node = start(*disks("128MiB"))
    assert f"segment_bytes {128 * MIB}\n" in (long / MARK).read_text()
    assert f"segment_bytes {64 * MIB}\n" in (default / MARK).read_text()
    node.get("/o/a")
    node.wait_on_disk(MIB)
    lengths = {each.parent: each.stat().st_size for each in tmp_path.glob("*/*.seg")}
    assert lengths
    assert all(length == (128 * MIB if where == long else 64 * MIB) for where, length in lengths.items())
    assert node.stop() == 0
    again = start(*disks("256MiB"))
    assert f"segment_bytes {128 * MIB}\n" in (long / MARK).read_text(), "the directory stays as it was made"
    assert again.get("/o/a").body == make_content(MIB, 1)
    assert again.metric("forebay_origin_bytes_total") == 0
    processes.wait_until("both are used", lambda: again.metric("forebay_disk_up") == 2)
