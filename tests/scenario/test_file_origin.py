"""Trees of files as origins: read through the cache, changed under it, listed, written."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from forebay_lab.node import Node, namespace

MakeNode = Callable[..., Node]

BODY = bytes(range(256)) * 4096


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "model").mkdir(parents=True)
    (root / "model" / "a.nc").write_bytes(BODY)
    (tmp_path / "outside").write_bytes(b"secret")
    return root


def tree_node(make_node: MakeNode, tree: Path, parameters: str = "?settle=0", **settings: object) -> Node:
    return make_node([namespace("/t", f"file://{tree}{parameters}", **settings)], memory="64MiB")


def test_a_file_is_read_once_and_then_from_the_cache(make_node: MakeNode, tree: Path) -> None:
    node = tree_node(make_node, tree)
    first = node.get("/t/model/a.nc")
    assert first.status == 200
    assert first.body == BODY
    assert first.headers["content-type"] == "application/x-netcdf"
    second = node.get("/t/model/a.nc", headers={"Range": "bytes=1000-1999"})
    assert second.status == 206
    assert second.body == BODY[1000:2000]
    assert second.headers["cache-status"].startswith("forebay; hit")
    assert second.headers["etag"] == first.headers["etag"]
    counted = {name: value for name, value in node.metrics().items() if name.startswith("forebay_origin_bytes_total")}
    assert sum(counted.values()) == len(BODY)


def test_a_changed_file_is_read_anew(make_node: MakeNode, tree: Path) -> None:
    node = tree_node(make_node, tree, freshness={"ttl": "0s"})
    first = node.get("/t/model/a.nc")
    unchanged = node.get("/t/model/a.nc")
    assert unchanged.headers["etag"] == first.headers["etag"]
    changed = BODY[::-1]
    (tree / "model" / "new").write_bytes(changed)
    os.replace(tree / "model" / "new", tree / "model" / "a.nc")
    third = node.get("/t/model/a.nc")
    assert third.body == changed
    assert third.headers["etag"] != first.headers["etag"]


def test_what_was_just_written_is_not_combined(make_node: MakeNode, tree: Path) -> None:
    node = tree_node(make_node, tree, "?settle=1h")
    for _ in range(2):
        part = node.get("/t/model/a.nc", headers={"Range": "bytes=0-99"})
        assert part.body == BODY[:100]
        assert "etag" not in part.headers
        assert part.headers["cache-status"].startswith("forebay; fwd=")


def test_absent_is_404_and_an_unmounted_tree_is_not(make_node: MakeNode, tree: Path) -> None:
    node = tree_node(make_node, tree, "?settle=0&present=model", freshness={"negative_ttl": "0s"})
    assert node.get("/t/model/none").status == 404
    assert node.get("/t/model").status == 404
    tree.rename(tree.with_name("away"))
    assert node.get("/t/model/none").status == 502
    tree.mkdir()
    reply = node.get("/t/model/none")
    assert reply.status == 502
    assert b"not mounted" in reply.body


def test_links_out_of_the_tree_are_forbidden(make_node: MakeNode, tree: Path) -> None:
    (tree / "out").symlink_to("../outside")
    (tree / "in").symlink_to("model/a.nc")
    node = tree_node(make_node, tree)
    assert node.get("/t/out").status == 403
    assert node.get("/t/in").body == BODY
    assert node.get("/t/%2e%2e/outside").status == 400


def test_directories_are_listed(make_node: MakeNode, tree: Path) -> None:
    (tree / "model" / "b c.nc").write_bytes(b"12")
    node = tree_node(make_node, tree)
    reply = node.get("/t/model/", method="PROPFIND", headers={"Depth": "1"})
    assert reply.status == 207
    hrefs = re.findall(rb"<D:href>([^<]*)</D:href>", reply.body) or re.findall(rb"href>([^<]*)</", reply.body)
    assert set(hrefs) == {b"/t/model/", b"/t/model/a.nc", b"/t/model/b%20c.nc"}


def test_writes_reach_the_tree_and_the_cache_forgets(make_node: MakeNode, tree: Path) -> None:
    node = tree_node(make_node, tree, write=True)
    assert node.get("/t/model/a.nc").body == BODY
    assert node.get("/t/model/a.nc", method="PUT", body=b"fresh").status == 204
    assert (tree / "model" / "a.nc").read_bytes() == b"fresh"
    assert node.get("/t/model/a.nc").body == b"fresh"
    assert node.get("/t/new/x", method="PUT", body=b"1").status == 201
    assert node.get("/t/model/a.nc", method="DELETE").status == 204
    assert node.get("/t/model/a.nc").status == 404
    assert [path.name for path in tree.rglob(".forebay-*")] == []
