from __future__ import annotations

import os
from pathlib import Path

import pytest

import forebay
from fake_node import (
    FakeNode,
    answer_with,
    break_off,
    fail,
    meet,
    usual,
)
from forebay import ForebayFileSystem

DATA = bytes(range(256)) * 40


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (None, None),
        (0, 10),
        (10, None),
        (None, 10),
        (-10, None),
        (-10, -3),
        (5, -5),
        (0, 10**9),
        (10_000, 20_000),
        (10_240, None),
        (20_000, 30_000),
        (7, 7),
        (9, 3),
        (-99_999, None),
        (10_239, 10_240),
    ],
)
def test_cat_file_slices_as_python_does(
    fs: ForebayFileSystem, node: FakeNode, start: int | None, end: int | None
) -> None:
    node.put("d/x.bin", DATA)
    assert fs.cat_file("d/x.bin", start=start, end=end) == DATA[start:end]
    if start is not None and end is not None and 0 <= end <= start:
        assert node.count() == 0


@pytest.mark.parametrize(
    "key", ["a b", "100%", "a+b", "x=y", "what?", "no#1", "ü/数", "a//b", "%41", "a&b;c"]
)
def test_keys_arrive_exactly(fs: ForebayFileSystem, node: FakeNode, key: str) -> None:
    node.put(f"s3/bucket/{key}", b"exact")
    assert fs.cat_file(f"s3://bucket/{key}") == b"exact"
    assert fs.cat_file(f"forebay://s3/bucket/{key}") == b"exact"
    assert fs.info(f"s3://bucket/{key}")["size"] == 5


def test_urls_of_the_web_keep_their_query(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.put("https/host/p?a=1&b=%20", b"query")
    assert fs.cat_file("https://host/p?a=1&b=%20") == b"query"
    assert fs.cat("https://host/p?a=1&b=%20") == b"query"


def test_an_empty_object_is_read_in_every_way(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.put("e", b"")
    assert fs.cat_file("e") == fs.cat_file("e", 0, 5) == fs.cat_file("e", -5) == fs.cat_file("e", 3) == b""
    with fs.open("e") as file:
        assert file.read() == b""


def test_an_object_of_unknown_length(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.put("u", DATA, length_known=False)
    assert fs.cat_file("u") == DATA
    assert fs.cat_file("u", 10, 20) == DATA[10:20]
    assert fs.cat_file("u", 10_000, 20_000) == DATA[10_000:]
    assert fs.cat_file("u", 20_000, 20_010) == b""
    with fs.open("u") as file:
        file.seek(-5, 2)
        assert file.read() == DATA[-5:]


def test_many_files_at_once(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.put_tree("d", {f"{i}": b"%d" % i for i in range(300)})
    for i in range(8):
        node.always(f"d/{i}", meet(8))
    assert fs.cat([f"d/{i}" for i in range(300)]) == {f"d/{i}": b"%d" % i for i in range(300)}
    assert 8 <= node.most_in_flight <= 64


def test_get_writes_whole_files_or_none(fs: ForebayFileSystem, node: FakeNode, tmp_path: Path) -> None:
    node.put_tree("tree", {"a": b"1", "sub/b c": b"2" * 3_000_000})
    fs.get("tree", str(tmp_path / "copy"), recursive=True)
    assert (tmp_path / "copy/a").read_bytes() == b"1"
    assert (tmp_path / "copy/sub/b c").read_bytes() == b"2" * 3_000_000
    node.always("tree/a", fail(502))
    with pytest.raises(OSError, match="the origin is ill"):
        fs.get_file("tree/a", str(tmp_path / "new"))
    (tmp_path / "old").write_bytes(b"old")
    with pytest.raises(OSError, match="502"):
        fs.get_file("tree/a", str(tmp_path / "old"))
    with pytest.raises(FileNotFoundError):
        fs.get_file("tree/none", str(tmp_path / "new"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy", "old"]
    assert (tmp_path / "old").read_bytes() == b"old"


def test_get_resumes_where_a_body_broke_off(fs: ForebayFileSystem, node: FakeNode, tmp_path: Path) -> None:
    data = os.urandom(12_000_000)
    node.put("big", data)
    node.script("big", *[break_off(1_500_000)] * 6, break_off(700_000))
    fs.get_file("big", str(tmp_path / "big"))
    assert (tmp_path / "big").read_bytes() == data
    ranges = [one.range for one in node.seen("GET")]
    assert ranges[0] is None
    assert ranges[1] is not None
    assert ranges[2] is not None
    assert 0 < int(ranges[1][6:].split("-")[0]) < int(ranges[2][6:].split("-")[0])
    assert all(one.headers.get("If-Match") == node.objects["big"].etag for one in node.seen("GET")[1:])


def test_near_ranges_of_a_file_are_one_request_and_each_slice_is_exact(
    fs: ForebayFileSystem, node: FakeNode
) -> None:
    data = os.urandom(400_000)
    node.put("a", data)
    node.put("b", data[::-1])
    paths = ["a", "b", "a", "a", "a", "b", "a"]
    starts = [0, 5, 300_000, 1_000, 17_000, 0, 50]
    ends = [100, 10, 300_010, 1_100, 17_001, 7, 60]
    expected = [(data if p == "a" else data[::-1])[s:e] for p, s, e in zip(paths, starts, ends, strict=True)]
    assert fs.cat_ranges(paths, starts, ends) == expected
    assert sorted(one.range or "" for one in node.seen("GET", "a")) == [
        "bytes=0-17000",
        "bytes=300000-300009",
    ]
    assert node.count("GET", "b") == 1


def test_a_gap_can_be_chosen(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.put("a", DATA)
    assert fs.cat_ranges(["a", "a"], [0, 20], [10, 30], max_gap=0) == [DATA[:10], DATA[20:30]]
    assert node.count("GET") == 2
    assert fs.cat_ranges(["a", "a"], [0, 20], [10, 30], max_gap=10) == [DATA[:10], DATA[20:30]]
    assert node.count("GET") == 3


def test_open_and_negative_limits_in_cat_ranges(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.put("a", DATA)
    starts, ends = [None, -5, 10, 3, 0, None], [None, None, None, 3, -10_000, 5]
    expected = [DATA[s:e] for s, e in zip(starts, ends, strict=True)]
    assert fs.cat_ranges(["a"] * 6, starts, ends) == expected
    assert fs.cat_ranges(["a", "a"], 0, 4) == [DATA[:4]] * 2


def test_errors_of_ranges_stay_in_their_places(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.put("a", DATA)
    node.always("ill", fail(500))
    found = fs.cat_ranges(["a", "none", "ill"], [0, 0, 0], [5, 5, 5], on_error="return")
    assert found[0] == DATA[:5]
    assert isinstance(found[1], FileNotFoundError)
    assert isinstance(found[2], OSError)
    assert not isinstance(found[2], FileNotFoundError)
    with pytest.raises(FileNotFoundError):
        fs.cat_ranges(["a", "none"], 0, 5, on_error="raise")
    with pytest.raises(ValueError, match="equal length"):
        fs.cat_ranges(["a", "a"], [0], [1])


def test_ranges_of_one_call_are_of_one_version(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.put("a", b"1" * 100_000)
    newer = answer_with(206, b"2" * 10, ETag='"new"', Content_Range="bytes 50000-50009/100000")
    node.script("a", usual(), newer)
    found = fs.cat_ranges(["a", "a"], [0, 50_000], [10, 50_010], batch_size=1)
    assert found[0] == b"1" * 10
    assert isinstance(found[1], forebay.VersionChangedError)
