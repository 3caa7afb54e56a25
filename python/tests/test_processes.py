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

from fake_node import (
    FakeNode,
    fail,
)
from forebay import ForebayFileSystem

DATA = bytes(range(256)) * 40


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


def test_connections_are_closed_when_the_process_ends(node: FakeNode) -> None:
    node.put("x", DATA)
    program = f"""
import atexit, fsspec
def tell():
    print([session.closed for session in sessions])
atexit.register(tell)  # before the package, so that it runs after
import forebay.sessions
fsspec.filesystem("forebay", node={node.url!r}).cat_file("x")
sessions = [session for _, session in forebay.sessions._sessions.lifetimes.values()]
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("[True]", "")


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
