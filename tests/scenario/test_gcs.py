"""Google Cloud Storage behind a node: fake-gcs-server, a real server of its protocol."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from urllib.parse import quote

import pytest

from forebay_lab.cloud_stores import FakeGcs
from forebay_lab.dav import members, propfind
from forebay_lab.node import Node, namespace

MakeNode = Callable[..., Node]

_numbers = itertools.count(1)


@pytest.fixture
def bucket(gcs: FakeGcs) -> str:
    return gcs.make_bucket(f"box-{next(_numbers)}")


def test_an_object_is_read_once_whole_and_in_ranges(make_node: MakeNode, gcs: FakeGcs, bucket: str) -> None:
    body = bytes(range(256)) * 4096
    gcs.put(bucket, "store.zarr/t/0.0", body)
    node = make_node([namespace("/g", gcs.origin(bucket))], memory="64MiB")
    assert node.get("/g/store.zarr/t/0.0").body == body
    again = node.get("/g/store.zarr/t/0.0", headers={"Range": "bytes=1000-1999"})
    assert (again.status, again.body) == (206, body[1000:2000])
    assert node.metric("forebay_origin_bytes_total") == len(body)


@pytest.mark.parametrize("key", ["a b", "a+b", "100%", "日本語", "x=1&y;z", "d/e//f"])
def test_odd_keys(make_node: MakeNode, gcs: FakeGcs, bucket: str, key: str) -> None:
    gcs.put(bucket, f"p/{key}", key.encode())
    node = make_node([namespace("/g", gcs.origin(bucket, "p"))], memory="64MiB")
    assert node.get(f"/g/{quote(key)}").body == key.encode()


def test_an_object_that_was_replaced_is_another_version(make_node: MakeNode, gcs: FakeGcs, bucket: str) -> None:
    gcs.put(bucket, "k", b"first")
    node = make_node([namespace("/g", gcs.origin(bucket), freshness={"ttl": "0s"})], memory="64MiB")
    assert node.get("/g/k").body == b"first"
    gcs.put(bucket, "k", b"other")
    assert node.get("/g/k").body == b"other"


def test_what_is_not_there(make_node: MakeNode, gcs: FakeGcs, bucket: str) -> None:
    node = make_node([namespace("/g", gcs.origin(bucket))], memory="64MiB")
    assert node.get("/g/absent").status == 404


def test_listings(make_node: MakeNode, gcs: FakeGcs, bucket: str) -> None:
    for key in ("d/a", "d/b c", "d/e/f"):
        gcs.put(bucket, key, b"12345")
    node = make_node([namespace("/g", gcs.origin(bucket))], memory="64MiB")
    found = members(propfind(node, "/g/d/", "1"))
    assert set(found) == {"/g/d/", "/g/d/a", "/g/d/b c", "/g/d/e/"}
    assert found["/g/d/a"]["getcontentlength"] == "5"
    assert set(members(propfind(node, "/g/d/", "infinity"))) >= {"/g/d/a", "/g/d/b c", "/g/d/e/f"}
