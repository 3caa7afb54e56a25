from __future__ import annotations

import asyncio
import logging
from typing import Any

import fsspec
import pytest

import forebay
from fake_node import NO_NODE, FakeNode, answer_with, fail, unknown_namespace
from fake_s3 import FakeS3
from forebay.health import health
from forebay.routed import RoutedFileSystem
from forebay.stores import RoutedS3FileSystem

DATA = bytes(range(256)) * 4000


def test_s3_urls_go_through_the_node_unchanged(node: FakeNode, s3: type[FakeS3]) -> None:
    node.put("s3/bucket/a b", DATA)
    assert forebay.install(node.url) == node.url
    with fsspec.open("s3://bucket/a b", anon=True) as file:
        assert file.read() == DATA
    fs, path = fsspec.url_to_fs("s3://bucket/a b", anon=True)
    assert path == "bucket/a b"
    assert isinstance(fs, RoutedFileSystem)
    assert fs.cat_file(path, 5, 10) == DATA[5:10]
    assert fs.cat_file("s3://bucket/a b") == DATA
    assert fs.cat_ranges([path, path], [0, 100], [10, 110]) == [DATA[:10], DATA[100:110]]
    assert fs.info(path)["size"] == len(DATA)
    assert fs.ls("bucket", detail=False) == fs.find("bucket") == fs.glob("bucket/a*") == ["bucket/a b"]
    assert fs.exists(path)
    assert fs.isfile(path)
    assert fs.isdir("s3://bucket")
    assert fs.modified(path).timestamp() == 1_700_000_000
    assert s3.calls == []
    with pytest.raises(FileNotFoundError):
        fs.cat_file("bucket/none")


def test_s3_needs_no_s3fs_while_the_node_answers(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(cls: object) -> Any:
        raise ImportError("Install s3fs")

    monkeypatch.setattr(RoutedS3FileSystem, "origin_class", classmethod(missing))
    RoutedS3FileSystem.clear_instance_cache()
    node.put("s3/bucket/a", DATA)
    node.always("s3/bucket/b", fail(403))
    forebay.install(node.url)
    with fsspec.open("s3://bucket/a") as file:
        assert file.read(10) == DATA[:10]
    fs = fsspec.filesystem("s3")
    with pytest.raises(PermissionError):
        fs.cat_file("bucket/b")
    assert not hasattr(fs, "flavour")


def test_an_asynchronous_filesystem_goes_through_the_node(node: FakeNode, s3: type[FakeS3]) -> None:
    node.put("s3/bucket/a", DATA)
    forebay.install(node.url)

    async def read() -> bytes:
        fs = fsspec.filesystem("s3", asynchronous=True, anon=True)
        assert fs.asynchronous
        return await fs._cat_file("bucket/a")

    assert asyncio.run(read()) == DATA


def test_web_urls_go_through_the_node(node: FakeNode, origin: FakeNode) -> None:
    forebay.install(node.url, protocols=["http"])
    host = f"127.0.0.1:{origin.port}"
    node.put(f"http/{host}/d/x?q=1", DATA)
    node.put(f"http/{host}/d/y", DATA)
    with fsspec.open(f"http://{host}/d/x?q=1") as file:
        assert file.read() == DATA
    fs = fsspec.filesystem("http")
    assert fs.ls(f"http://{host}/d", detail=False)[-1] == f"http://{host}/d/y"
    assert origin.count() == 0


def test_a_kerchunk_style_path_with_protocol_is_understood(node: FakeNode, s3: type[FakeS3]) -> None:
    node.put("s3/bucket/a", DATA)
    forebay.install(node.url)
    fs = fsspec.filesystem("reference", fo={"k": ["s3://bucket/a", 10, 5]}, remote_protocol="s3")
    assert fs.cat_file("k") == DATA[10:15]
    assert node.seen("GET")[0].range == "bytes=10-14"


def test_credentials_make_the_origins_own_filesystem(
    node: FakeNode, s3: type[FakeS3], caplog: pytest.LogCaptureFixture
) -> None:
    forebay.install(node.url)
    with caplog.at_level(logging.WARNING, "forebay"):
        for _ in range(3):
            fs = fsspec.filesystem("s3", key="AKIA", secret="hush")
            assert type(fs) is FakeS3
    assert [record.message for record in caplog.records] == [
        "a filesystem of s3fs.S3FileSystem does not use the node: the option 'key' is for the origin"
    ]
    assert fs.options["key"] == "AKIA"
    assert node.count() == 0


def test_writes_go_to_the_origin_and_are_read_from_there(node: FakeNode, s3: type[FakeS3]) -> None:
    node.put("s3/bucket/a", b"old")
    forebay.install(node.url)
    fs = fsspec.filesystem("s3")
    assert fs.cat_file("bucket/a") == b"old"
    fs.pipe_file("bucket/a", b"new")
    assert s3.objects["bucket/a"] == b"new"
    assert fs.cat_file("bucket/a") == b"new"
    fs.rm_file("bucket/a")
    with pytest.raises(FileNotFoundError):
        fs.cat_file("bucket/a")
    with fs.open("bucket/b", "wb"):
        pass
    assert ("open", "wb") in s3.calls
    assert fs.flavour() == "only the origin has this"
    node.put("s3/other/a", b"still near")
    assert fs.cat_file("other/a") == b"still near"


def test_a_refusal_of_the_node_is_not_the_last_word(
    node: FakeNode, s3: type[FakeS3], caplog: pytest.LogCaptureFixture
) -> None:
    forebay.install(node.url)
    fs = fsspec.filesystem("s3")
    s3.objects["private/a"] = b"mine"
    node.always("s3/private/a", fail(403, detail="not on the allow-list"))
    with caplog.at_level(logging.WARNING, "forebay"):
        assert fs.cat_file("private/a") == b"mine"
        assert fs.cat_file("private/a") == b"mine"
    assert node.count("GET", "s3/private/a") == 1, "remembered"
    assert len(caplog.records) == 1
    assert "not on the allow-list" in caplog.text


def test_a_refusal_that_the_origin_shares_is_not_remembered(node: FakeNode, s3: type[FakeS3]) -> None:
    forebay.install(node.url)
    fs = fsspec.filesystem("s3")
    s3.objects["secret/a"] = b""
    node.always("s3/secret/a", fail(403))
    node.put("s3/secret/open", b"1")
    for _ in range(2):
        with pytest.raises(PermissionError):
            fs.cat_file("secret/a")
    assert node.count("GET", "s3/secret/a") == 2
    assert fs.cat_file("secret/open") == b"1"


def test_without_a_way_to_the_origin_the_nodes_refusal_is_what_is_said(
    node: FakeNode, s3: type[FakeS3], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_way(*_: Any, **__: Any) -> bytes:
        raise RuntimeError("could not connect to the endpoint URL")

    monkeypatch.setattr(s3, "_cat_file", no_way)
    forebay.install(node.url)
    fs = fsspec.filesystem("s3")
    node.always("s3/bucket/a", fail(403, detail="not on the allow-list"))
    with pytest.raises(PermissionError, match="allow-list"):
        fs.cat_file("bucket/a")
    with pytest.raises(PermissionError, match="allow-list"):
        fs.cat_ranges(["bucket/a"], [0], [1], on_error="raise")


def test_a_node_without_open_stores_is_passed_by(node: FakeNode, s3: type[FakeS3]) -> None:
    forebay.install(node.url)
    fs = fsspec.filesystem("s3")
    s3.objects["bucket/a"] = b"1"
    node.always("s3/bucket/a", unknown_namespace())
    assert fs.cat_ranges(["bucket/a"], [0], [1]) == [b"1"]
    assert fs.cat_file("bucket/a") == b"1"
    assert node.count() == 1


def test_a_failing_origin_is_an_error_not_a_reason_to_ask_it_again(
    node: FakeNode, s3: type[FakeS3], quick_retries: None
) -> None:
    forebay.install(node.url)
    fs = fsspec.filesystem("s3")
    s3.objects["bucket/a"] = b"1"
    node.always("s3/bucket/a", fail(503, detail="SlowDown"))
    with pytest.raises(forebay.ThrottledError, match="SlowDown"):
        fs.cat_file("bucket/a")
    assert s3.calls == []


def test_listings_that_the_node_cannot_give_come_from_the_origin(node: FakeNode, s3: type[FakeS3]) -> None:
    forebay.install(node.url)
    fs = fsspec.filesystem("s3")
    s3.objects["bucket/a"] = b"1"
    node.listing = False
    assert fs.ls("bucket", detail=False) == ["bucket/a"]


def test_a_refused_listing_says_nothing_about_the_objects(node: FakeNode, s3: type[FakeS3]) -> None:
    forebay.install(node.url)
    fs = fsspec.filesystem("s3")
    s3.objects["bucket/a"] = b"far"
    node.put("s3/bucket/a", b"near")
    node.always("s3/bucket", fail(403))
    assert fs.ls("bucket", detail=False) == ["bucket/a"]
    assert fs.cat_file("bucket/a") == b"near"


def test_what_the_web_compressed_is_decompressed_as_ever(node: FakeNode, origin: FakeNode) -> None:
    import gzip

    forebay.install(node.url, protocols=["http"])
    name, body = f"http/127.0.0.1:{origin.port}/x.json", gzip.compress(DATA)
    node.always(name, answer_with(200, body, ETag='"1"', Content_Encoding="gzip"))
    origin.always("x.json", answer_with(200, body, ETag='"1"', Content_Encoding="gzip"))
    fs = fsspec.filesystem("http")
    url = f"{origin.url}/x.json"
    assert fs.cat_file(url) == DATA
    assert fs.cat_ranges([url], [0], [None]) == [DATA]
    with fs.open(url, block_size=0) as file:
        assert file.read() == DATA
    node.put("coded", body)
    node.always("coded", answer_with(200, body, ETag='"1"', Content_Encoding="gzip"))
    assert fsspec.filesystem("forebay", node=node.url).cat_file("coded") == body


def test_a_proxy_before_a_dead_node_counts_as_down(s3: type[FakeS3], quick_retries: None) -> None:
    s3.objects["bucket/a"] = DATA
    with FakeNode(signature=False) as proxy:
        proxy.always("s3/bucket/a", fail(502))
        forebay.install(proxy.url)
        with pytest.warns(forebay.NodeDownWarning, match="502"):
            assert fsspec.filesystem("s3").cat_file("bucket/a") == DATA


def test_urls_with_a_signature_never_reach_the_node(node: FakeNode, origin: FakeNode) -> None:
    forebay.install(node.url, protocols=["http"])
    url = f"http://127.0.0.1:{origin.port}/x?sig=hush"
    origin.put("x", DATA)
    assert fsspec.filesystem("http").cat_file(url) == DATA
    assert node.count() == 0


def test_a_dead_node_is_passed_by_with_one_warning(s3: type[FakeS3]) -> None:
    s3.objects["bucket/a"] = DATA
    forebay.install(NO_NODE)
    fs = fsspec.filesystem("s3")
    with pytest.warns(forebay.NodeDownWarning) as caught:
        for _ in range(3):
            assert fs.cat_file("bucket/a") == DATA
            assert fs.cat_ranges(["bucket/a"] * 2, [0, 5], [5, 9]) == [DATA[:5], DATA[5:9]]
            assert fs.info("bucket/a")["size"] == len(DATA)
            assert fs.ls("bucket", detail=False) == ["bucket/a"]
        assert fsspec.filesystem("s3", anon=True).cat_file("bucket/a") == DATA
    assert len(caught) == 1
    assert "127.0.0.1:1" in str(caught[0].message)


def test_a_node_that_returns_is_used_again(
    node: FakeNode, s3: type[FakeS3], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(health, "_clock", lambda: now[0])
    s3.objects["bucket/a"] = b"far"
    node.put("s3/bucket/a", b"near")
    forebay.install(node.url)
    fs = fsspec.filesystem("s3")
    assert fs.cat_file("bucket/a") == b"near"
    with pytest.warns(forebay.NodeDownWarning):
        health.note_down(node.url, OSError("test"))
    assert fs.cat_file("bucket/a") == b"far"
    now[0] += health.retry_node_s + 1
    assert fs.cat_file("bucket/a") == b"near"
    assert fs.cat_file("bucket/a") == b"near"


def test_many_readers_of_a_dying_node_hear_of_it_once(s3: type[FakeS3]) -> None:
    s3.objects.update({f"bucket/{i}": b"%d" % i for i in range(50)})
    forebay.install(NO_NODE)
    fs = fsspec.filesystem("s3")
    with pytest.warns(forebay.NodeDownWarning) as caught:
        assert fs.cat([f"bucket/{i}" for i in range(50)])["bucket/7"] == b"7"
    assert len(caught) == 1


def test_another_server_in_the_nodes_place_counts_as_down(s3: type[FakeS3]) -> None:
    s3.objects["bucket/a"] = DATA
    with FakeNode(signature=False) as stranger:
        forebay.install(stranger.url)
        with pytest.warns(forebay.NodeDownWarning, match="no Forebay node"):
            assert fsspec.filesystem("s3").cat_file("bucket/a") == DATA


@pytest.mark.parametrize("same", [True, False])
def test_an_open_file_survives_the_node_only_in_its_version(s3: type[FakeS3], same: bool) -> None:
    with FakeNode() as node:
        node.put("s3/bucket/a", DATA, etag='"v1"')
        s3.objects["bucket/a"] = DATA
        s3.etags["bucket/a"] = '"v1"' if same else '"v2"'
        forebay.install(node.url)
        file = fsspec.filesystem("s3").open("bucket/a")
        assert file.read(10) == DATA[:10]
    file.seek(900_000)
    with pytest.warns(forebay.NodeDownWarning):
        if same:
            assert file.read(10) == DATA[900_000:900_010]
        else:
            with pytest.raises(forebay.VersionChangedError, match="same version"):
                file.read(10)


def test_a_file_opened_while_the_node_is_down_is_the_origins(origin: FakeNode) -> None:
    origin.put("x", DATA)
    forebay.install(NO_NODE, protocols=["http"])
    url = f"http://127.0.0.1:{origin.port}/x"
    with pytest.warns(forebay.NodeDownWarning), fsspec.open(url) as file:
        assert file.read() == DATA
    assert type(file).__name__ == "HTTPFile"
