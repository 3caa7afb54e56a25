from __future__ import annotations

import asyncio
import gc
import json
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import fsspec
import pytest

import forebay
from fake_node import (
    FakeNode,
    answer_with,
    break_off,
    close_at_once,
    fail,
    meet,
    stall,
    unknown_namespace,
    usual,
)
from forebay import ForebayFileSystem, client
from forebay.errors import Problem

DATA = bytes(range(256)) * 40


# --- Reading ------------------------------------------------------------------------------------------


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
    data = os.urandom(3_000_000)
    node.put("big", data)
    node.script("big", break_off(1_500_000), break_off(700_000))
    fs.get_file("big", str(tmp_path / "big"))
    assert (tmp_path / "big").read_bytes() == data
    ranges = [one.range for one in node.seen("GET")]
    assert ranges[0] is None
    assert ranges[1] is not None
    assert ranges[2] is not None
    assert 0 < int(ranges[1][6:].split("-")[0]) < int(ranges[2][6:].split("-")[0])
    assert all(one.headers.get("If-Match") == node.objects["big"].etag for one in node.seen("GET")[1:])


# --- cat_ranges ---------------------------------------------------------------------------------------


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


# --- Errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, FileNotFoundError),
        (410, FileNotFoundError),
        (401, PermissionError),
        (403, PermissionError),
        (400, forebay.ForebayError),
        (500, forebay.ForebayError),
        (502, forebay.ForebayError),
        (503, forebay.ThrottledError),
        (504, forebay.ForebayError),
        (429, forebay.ThrottledError),
        (418, forebay.ForebayError),
    ],
)
def test_statuses_are_errors_of_their_kind(
    fs: ForebayFileSystem, node: FakeNode, status: int, kind: type[Exception]
) -> None:
    node.always("x", fail(status, detail="origin s3://far said no", X="1"))
    with pytest.raises(kind) as caught:
        fs.cat_file("x")
    assert isinstance(caught.value, forebay.ForebayError)
    assert isinstance(caught.value, FileNotFoundError) is (status in (404, 410))
    assert "origin s3://far said no" in str(caught.value)
    assert caught.value.status == status
    with pytest.raises(kind if status not in (404, 410) else FileNotFoundError):
        fs.info("x")


def test_a_path_that_the_node_does_not_serve_is_no_missing_chunk(
    fs: ForebayFileSystem, node: FakeNode
) -> None:
    node.always("typo/zarr.json", unknown_namespace())
    with pytest.raises(forebay.UnknownNamespaceError, match="see /") as caught:
        fs.cat_file("typo/zarr.json")
    assert not isinstance(caught.value, FileNotFoundError)


def test_errors_that_pass_are_outlived(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.put("x", DATA)
    node.script("x", fail(503, Retry_After="0"), fail(502), close_at_once())
    assert fs.cat_file("x") == DATA
    assert node.count("GET", "x") >= 4


def test_retry_after_is_honoured(
    fs: ForebayFileSystem, node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    real_sleep = asyncio.sleep

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await real_sleep(0)

    monkeypatch.setattr(client.asyncio, "sleep", sleep)
    node.put("x", DATA)
    node.script("x", fail(429, Retry_After="7"))
    assert fs.cat_file("x") == DATA
    assert [wait for wait in waits if wait >= 1] == [7.0]


def test_a_long_retry_after_is_reported_not_waited_for(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.always("x", fail(503, Retry_After="3600"))
    with pytest.raises(forebay.ThrottledError) as caught:
        fs.cat_file("x")
    assert caught.value.retry_after_s == 3600
    assert node.count("GET") == 1


def test_attempts_are_bounded(node: FakeNode, quick_retries: None) -> None:
    fs = fsspec.filesystem("forebay", node=node.url, attempts=3)
    node.always("x", fail(500))
    with pytest.raises(OSError, match="500"):
        fs.cat_file("x")
    assert node.count("GET") == 3


@pytest.mark.parametrize("start", [None, 100])
def test_a_short_body_is_an_error_not_short_data(
    fs: ForebayFileSystem, node: FakeNode, start: int | None
) -> None:
    node.put("x", DATA)
    node.always("x", break_off(0))
    with pytest.raises(forebay.BrokenBodyError):
        fs.cat_file("x", start=start)


@pytest.mark.parametrize(
    "wrong",
    [
        {"Content_Range": "bytes 10-19/10240"},
        {"Content_Range": "bytes 0-9"},
        {},
        {"Content_Range": "bytes 0-4/10240"},
    ],
)
def test_a_wrong_content_range_is_an_error(
    fs: ForebayFileSystem, node: FakeNode, wrong: dict[str, str]
) -> None:
    node.always("x", answer_with(206, b"0123456789", ETag='"1"', **wrong))
    with pytest.raises(forebay.BrokenBodyError):
        fs.cat_file("x", 0, 10)


def test_a_whole_answer_to_a_range_is_cut(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.always("x", answer_with(200, DATA, ETag='"1"'))
    assert fs.cat_file("x", 100, 200) == DATA[100:200]
    assert fs.cat_file("x", -100) == DATA[-100:]


def test_an_unsatisfiable_answer_within_the_object_is_an_error(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.always("x", answer_with(416, b"", Content_Range="bytes */10240"))
    assert fs.cat_file("x", 20_000, 30_000) == b""
    with pytest.raises(forebay.BrokenBodyError):
        fs.cat_file("x", 5, 10)


def test_a_silent_node_is_an_error_in_time(node: FakeNode) -> None:
    event = threading.Event()
    node.put("x", DATA)
    node.script("x", stall(event))
    fs = fsspec.filesystem("forebay", node=node.url, read_timeout_s=0.3)
    try:
        with pytest.raises(forebay.NodeUnreachableError, match="no answer in time"):
            fs.cat_file("x")
    finally:
        event.set()


def test_no_node_is_a_connection_error(quick_retries: None) -> None:
    fs = fsspec.filesystem("forebay", node="http://127.0.0.1:1")
    with pytest.raises(ConnectionError, match="cannot be reached") as caught:
        fs.cat_file("x")
    assert not isinstance(caught.value, FileNotFoundError)
    with pytest.raises(ConnectionError):
        fs.exists("x")
    with pytest.raises(ConnectionError):
        fs.isdir("x")


@pytest.mark.parametrize("status", [200, 404])
def test_another_server_at_the_nodes_address_is_not_believed(status: int) -> None:
    with FakeNode(signature=False) as stranger:
        stranger.always("x", answer_with(status, b"<html>"))
        fs = fsspec.filesystem("forebay", node=stranger.url)
        with pytest.raises(forebay.NodeUnreachableError, match="no Forebay node"):
            fs.cat_file("x")


def test_errors_travel_between_processes() -> None:
    error = forebay.ThrottledError(
        "wait", "http://n/x", status=503, problem=Problem(detail="slow"), retry_after_s=2.0
    )
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error) == "wait: slow [http://n/x]"
    assert (copy.status, copy.retry_after_s, copy.errno) == (503, 2.0, error.errno)


# --- Files --------------------------------------------------------------------------------------------


def test_an_open_file_reads_and_seeks(fs: ForebayFileSystem, node: FakeNode) -> None:
    data = os.urandom(3_000_000)
    node.put("x", data)
    with fs.open("x") as file:
        assert file.size == len(data)
        assert file.read(10) == data[:10]
        file.seek(2_000_000)
        assert file.read(100) == data[2_000_000:2_000_100]
        file.seek(-7, 2)
        assert file.read() == data[-7:]
        assert file.read(1) == b""
        file.seek(0)
        assert file.read() == data
        file.seek(0)
        assert b"".join(iter(lambda: file.read(100_000), b"")) == data


def test_scattered_reads_fetch_little_and_sequential_reads_grow(
    fs: ForebayFileSystem, node: FakeNode
) -> None:
    data = os.urandom(16 << 20)
    node.put("x", data)
    with fs.open("x") as file:
        for offset in (15_000_000, 3_000_000, 9_000_000, 15_000_100):
            file.seek(offset)
            assert file.read(64) == data[offset : offset + 64]
    assert node.count("GET") == 3
    assert node.served_bytes <= 3 * 131_072
    node.requests.clear()
    node.served_bytes = 0
    with fs.open("x") as file:
        for offset in range(0, len(data), 4096):
            assert file.read(4096) == data[offset : offset + 4096]
    assert node.count("GET") <= 16
    assert node.served_bytes == len(data)


def test_other_caches_of_fsspec_work(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.put("x", DATA)
    for cache_type in ("readahead", "bytes", "none", "blockcache", "all", "first"):
        with fs.open("x", cache_type=cache_type, block_size=1000) as file:
            file.seek(5000)
            assert file.read(100) == DATA[5000:5100], cache_type


def test_an_object_that_changes_under_an_open_file_is_an_error(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.put("x", b"1" * 1_000_000)
    with fs.open("x") as file:
        assert file.read(10) == b"1" * 10
        node.put("x", b"2" * 1_000_000)
        file.seek(900_000)
        with pytest.raises(forebay.VersionChangedError, match="changed"):
            file.read(10)
    with fs.open("x") as file:
        assert file.read(10) == b"2" * 10


def test_a_changed_etag_is_an_error_also_where_if_match_is_ignored(
    fs: ForebayFileSystem, node: FakeNode
) -> None:
    node.put("x", b"1" * 1_000_000, etag='W/"weak"')
    with fs.open("x") as file:
        node.script(
            "x", answer_with(206, b"2" * 131_072, ETag='W/"new"', Content_Range="bytes 0-131071/1000000")
        )
        with pytest.raises(forebay.VersionChangedError):
            file.read(10)
    assert all("If-Match" not in one.headers for one in node.seen("GET"))


def test_a_pickled_file_keeps_its_place_and_its_version(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.put("x", b"1" * 500_000 + b"2" * 500_000)
    with fs.open("x") as file:
        file.seek(499_999)
        copy = pickle.loads(pickle.dumps(file))
        assert copy.read(2) == b"12"
        node.put("x", b"3" * 1_000_000)
        late = pickle.loads(pickle.dumps(file))
        with pytest.raises(forebay.VersionChangedError):
            late.read(2)


def test_text_and_compression_by_fsspec(node: FakeNode) -> None:
    import gzip

    node.put("t.txt.gz", gzip.compress("grüße\n".encode()))
    with fsspec.open("forebay://t.txt.gz", "rt", compression="infer", node=node.url) as file:
        assert file.read() == "grüße\n"


def test_writing_is_refused(fs: ForebayFileSystem) -> None:
    with pytest.raises(PermissionError, match="origin"):
        fs.open("x", "wb")


# --- Listings -----------------------------------------------------------------------------------------


@pytest.fixture
def tree(node: FakeNode) -> dict[str, bytes]:
    found = {
        "era5/a.nc": b"1",
        "era5/b c.nc": b"22",
        "era5/zarr/.zgroup": b"{}",
        "era5/zarr/t/0.0": b"333",
        "era5/zarr/t/ü=1": b"",
    }
    for name, data in found.items():
        node.put(name, data)
        node.put(f"s3/bucket/{name}", data)
    return found


def test_ls_names_and_details(fs: ForebayFileSystem, node: FakeNode, tree: dict[str, bytes]) -> None:
    assert fs.ls("era5", detail=False) == ["era5/a.nc", "era5/b c.nc", "era5/zarr"]
    infos = {info["name"]: info for info in fs.ls("era5")}
    assert infos["era5/b c.nc"]["size"] == 2
    assert infos["era5/b c.nc"]["type"] == "file"
    assert infos["era5/b c.nc"]["ETag"] == node.objects["era5/b c.nc"].etag
    assert infos["era5/zarr"]["type"] == "directory"
    assert fs.ls("forebay://era5/", detail=False) == fs.ls("era5", detail=False)
    assert fs.ls("s3://bucket/era5", detail=False)[0] == "s3://bucket/era5/a.nc"
    assert fs.ls("era5/a.nc", detail=False) == ["era5/a.nc"]
    assert fs.ls("", detail=False) == ["era5", "s3"]
    with pytest.raises(FileNotFoundError):
        fs.ls("none")


def test_find_glob_walk_du(fs: ForebayFileSystem, tree: dict[str, bytes]) -> None:
    assert fs.find("era5") == sorted(tree)
    assert fs.find("era5", maxdepth=1) == ["era5/a.nc", "era5/b c.nc"]
    assert "era5/zarr/t" in fs.find("era5", withdirs=True)
    assert fs.find("era5/a.nc") == ["era5/a.nc"]
    assert fs.find("none") == []
    assert fs.glob("era5/*.nc") == ["era5/a.nc", "era5/b c.nc"]
    assert fs.glob("era5/**/0.0") == ["era5/zarr/t/0.0"]
    assert fs.glob("s3://bucket/era5/*.nc") == ["s3://bucket/era5/a.nc", "s3://bucket/era5/b c.nc"]
    assert fs.du("era5") == sum(map(len, tree.values()))
    assert [root for root, _, _ in fs.walk("era5")] == ["era5", "era5/zarr", "era5/zarr/t"]


def test_exists_isdir_isfile(fs: ForebayFileSystem, node: FakeNode, tree: dict[str, bytes]) -> None:
    assert fs.exists("era5/a.nc")
    assert fs.exists("era5/zarr")
    assert not fs.exists("era5/none")
    assert fs.isdir("era5/zarr")
    assert not fs.isdir("era5/a.nc")
    assert fs.isfile("era5/a.nc")
    assert not fs.isfile("era5/zarr")
    assert fs.info("era5/zarr") == {"name": "era5/zarr", "size": 0, "type": "directory"}
    assert fs.isdir("")
    node.always("era5/ill", fail(502))
    for question in (fs.exists, fs.isdir, fs.isfile):
        with pytest.raises(OSError, match="502"):
            question("era5/ill")


def test_a_store_that_cannot_list_still_serves(
    fs: ForebayFileSystem, node: FakeNode, tree: dict[str, bytes]
) -> None:
    node.listing = False
    assert fs.exists("era5/a.nc")
    assert not fs.exists("era5/none")
    with pytest.raises(forebay.NotListableError, match="cannot list"):
        fs.ls("era5")
    with pytest.raises(forebay.NotListableError):
        fs.find("era5")


def test_a_listing_with_a_hole_is_an_error(
    fs: ForebayFileSystem, node: FakeNode, tree: dict[str, bytes]
) -> None:
    node.always("era5/zarr/t", fail(503))
    with pytest.raises(OSError, match="503"):
        fs.find("era5")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><D:multistatus xmlns:D="DAV:">&a;</D:multistatus>',
        b'<D:multistatus xmlns:D="DAV:"><D:response>',
    ],
)
def test_what_is_no_listing_is_an_error(fs: ForebayFileSystem, node: FakeNode, body: bytes) -> None:
    node.always("d", answer_with(207, body))
    with pytest.raises(forebay.BrokenBodyError, match="not a listing"):
        fs.ls("d")


def test_listings_of_other_servers_are_understood(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.always(
        "d",
        answer_with(
            207,
            b"""<?xml version="1.0"?><multistatus xmlns="DAV:">
            <response><href>http://elsewhere:1/d/</href><propstat><prop><resourcetype><collection/>
            </resourcetype></prop></propstat></response>
            <response><href>http://elsewhere:1/d/a%20b%2Bc</href><propstat><prop><getcontentlength>7
            </getcontentlength><resourcetype/></prop></propstat></response>
            <response><href>/d/sub/</href><propstat><prop><getcontentlength>0</getcontentlength>
            </prop></propstat></response>
            <response><href>/other/x</href></response></multistatus>""",
        ),
    )
    found = fs.ls("d")
    assert [(i["name"], i["type"], i["size"]) for i in found] == [
        ("d/a b+c", "file", 7),
        ("d/sub", "directory", 0),
    ]


def test_times_and_keys_of_versions(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.put("x", DATA)
    assert fs.modified("x").timestamp() == 1_700_000_000
    first = fs.ukey("x")
    assert first == fs.ukey("x")
    node.put("x", DATA + b"1")
    assert fs.ukey("x") != first
    assert isinstance(fs.checksum("x"), int)


# --- Chains, mappers, asynchronous use ----------------------------------------------------------------


def test_chained_urls(node: FakeNode) -> None:
    node.put("s3/bucket/dir/k ey", DATA)
    node.put("https/host/p/x?y=1", DATA)
    options = {"forebay": {"node": node.url}, "s3": {"anon": True}}
    with fsspec.open("forebay::s3://bucket/dir/k ey", **options) as file:
        assert file.read() == DATA
    fs, path = fsspec.url_to_fs("forebay::s3://bucket/dir", **options)
    assert isinstance(fs, ForebayFileSystem)
    assert path == "bucket/dir"
    assert fs.ls(path, detail=False) == ["bucket/dir/k ey"]
    assert fs.find(path) == ["bucket/dir/k ey"]
    assert fs.unstrip_protocol("bucket/dir") == "forebay::s3://bucket/dir"
    other, _ = fsspec.url_to_fs("forebay::s3://bucket/other", **options)
    assert other is fs
    with fsspec.open("forebay::https://host/p/x?y=1", forebay={"node": node.url}) as file:
        assert file.read() == DATA


def test_caches_of_fsspec_in_front(node: FakeNode, tmp_path: Path) -> None:
    node.put("s3/bucket/k", DATA)
    url = "simplecache::forebay::s3://bucket/k"
    with fsspec.open(
        url, simplecache={"cache_storage": str(tmp_path)}, forebay={"node": node.url}, s3={"anon": True}
    ) as file:
        assert file.read() == DATA


def test_a_mapper_knows_missing_from_failing(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.put_tree("z", {".zgroup": b"{}", "a/0": b"1"})
    node.always("z/a/1", fail(503))
    mapper = fs.get_mapper("z")
    assert sorted(mapper) == [".zgroup", "a/0"]
    assert mapper["a/0"] == b"1"
    with pytest.raises(KeyError):
        mapper["a/9"]
    with pytest.raises(OSError, match="503"):
        mapper["a/1"]


def test_asynchronous_use_in_several_loops(node: FakeNode) -> None:
    node.put("x", DATA)

    async def read() -> bytes:
        fs = fsspec.filesystem("forebay", node=node.url, asynchronous=True)
        file = await fs.open_async("x")
        parts = [await file.read(10), await file.read()]
        await file.close()
        assert (await fs._info("x"))["size"] == len(DATA)
        return b"".join(parts)

    for _ in range(3):
        assert asyncio.run(read()) == DATA
    gc.collect()


def test_an_asynchronous_file_of_unknown_length(node: FakeNode) -> None:
    node.put("u", DATA, length_known=False)

    async def read() -> list[bytes]:
        fs = fsspec.filesystem("forebay", node=node.url, asynchronous=True)
        async with await fs.open_async("u") as file:
            return [await file.read(10), await file.read(10), await file.read()]

    assert asyncio.run(read()) == [DATA[:10], DATA[10:20], DATA[20:]]


def test_a_closed_filesystem_opens_again(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.put("x", DATA)
    assert fs.cat_file("x") == DATA
    fs.close()
    assert fs.cat_file("x") == DATA


def test_threads_share_a_filesystem(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.put("x", DATA)
    results: list[bytes] = []
    threads = [threading.Thread(target=lambda: results.append(fs.cat_file("x"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [DATA] * 16


# --- Pickles and processes ----------------------------------------------------------------------------


def test_a_pickled_filesystem_is_the_same_one(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.put("x", DATA)
    copy = pickle.loads(pickle.dumps(fs))
    assert copy.cat_file("x") == DATA
    assert copy == fs
    copy = ForebayFileSystem.from_json(fs.to_json())
    assert copy.cat_file("x") == DATA
    json.loads(fs.to_json())


def test_a_worker_prefers_the_node_that_it_was_told(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOREBAY_URL", "http://client-side:1")
    packed = pickle.dumps(fsspec.filesystem("forebay"))
    monkeypatch.setenv("FOREBAY_URL", "http://worker-side:2")
    assert pickle.loads(packed).node_url == "http://worker-side:2"
    monkeypatch.delenv("FOREBAY_URL")
    assert pickle.loads(packed).node_url == "http://client-side:1"
    explicit = pickle.dumps(fsspec.filesystem("forebay", node="http://explicit:3"))
    monkeypatch.setenv("FOREBAY_URL", "http://worker-side:2")
    assert pickle.loads(explicit).node_url == "http://explicit:3"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_reads_and_leaves_the_parent_alone(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.put("x", DATA)
    assert fs.cat_file("x") == DATA
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if fs.cat_file("x") == DATA else 1)
        except BaseException:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert fs.cat_file("x") == DATA


def test_a_process_ends_without_a_word(node: FakeNode) -> None:
    node.put("x", DATA)
    program = f"""
import asyncio, fsspec
fs = fsspec.filesystem("forebay", node={node.url!r})
assert len(fs.cat_file("x")) == {len(DATA)}
file = fs.open("x"); file.read(10)
async def read():
    fs = fsspec.filesystem("forebay", node={node.url!r}, asynchronous=True)
    return await fs._cat_file("x")
asyncio.run(read()); asyncio.run(read())
loop = asyncio.new_event_loop()
import threading
threading.Thread(target=loop.run_forever, daemon=True).start()
asyncio.run_coroutine_threadsafe(read(), loop).result()
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
