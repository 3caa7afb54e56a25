from __future__ import annotations

import os
import pickle

import fsspec
import pytest

import forebay
from fake_node import (
    FakeNode,
    answer_with,
)
from forebay import ForebayFileSystem

DATA = bytes(range(256)) * 40


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
