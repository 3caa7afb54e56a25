"""PROPFIND on the node, over HTML index pages and S3 listings."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from forebay_lab.dav import members, propfind
from forebay_lab.node import Node, namespace, s3_origin
from forebay_lab.origin import HostileOrigin
from forebay_lab.swift import Swift

MakeNode = Callable[..., Node]

HTML = (("Content-Type", "text/html; charset=utf-8"),)


@pytest.fixture
def web(make_node: MakeNode, origin: HostileOrigin) -> Node:
    origin.put(
        "/",
        b'<title>Index of /</title><a href="a.nc">a.nc</a> <a href="sub/">sub/</a> <a href="../">up</a>',
        headers=HTML,
    )
    origin.put("/sub/", b'<title>Index of /sub/</title><a href="b%20c.nc">b c.nc</a>', headers=HTML)
    origin.put("/a.nc", b"12345")
    origin.put("/sub/b c.nc", b"1234567")
    return make_node([namespace("/w", origin.url)], memory="16MiB")


def test_an_index_page_is_a_listing(web: Node) -> None:
    found = members(propfind(web, "/w/", "1"))
    assert set(found) == {"/w/", "/w/a.nc", "/w/sub/"}
    assert found["/w/sub/"]["collection"]
    assert not found["/w/a.nc"]["collection"]
    assert found["/w/sub/"]["getcontentlength"] == "0"
    assert all(one["getlastmodified"].endswith("GMT") for one in found.values())


def test_depth(web: Node) -> None:
    assert set(members(propfind(web, "/w/", "0"))) == {"/w/"}
    assert set(members(propfind(web, "/w/", "infinity"))) == {"/w/", "/w/a.nc", "/w/sub/", "/w/sub/b c.nc"}
    assert set(members(propfind(web, "/w/", None))) == set(members(propfind(web, "/w/", "infinity")))
    assert propfind(web, "/w/", "many").status == 400


def test_above_the_namespaces_they_are_listed(make_node: MakeNode, origin: HostileOrigin) -> None:
    node = make_node([namespace(path, origin.url) for path in ("/w", "/a/b", "/a/c/d")], memory="16MiB")
    assert set(members(propfind(node, "/", "1"))) == {"/", "/w/", "/a/"}
    assert set(members(propfind(node, "/a", "1"))) == {"/a/", "/a/b/", "/a/c/"}
    assert set(members(propfind(node, "/a/c/", "1"))) == {"/a/c/", "/a/c/d/"}
    assert set(members(propfind(node, "/a", "0"))) == {"/a/"}
    assert propfind(node, "/none", "1").status == 404
    assert propfind(node, "/", None).status == 403
    assert origin.requests("/") == []


def test_an_object_tells_its_length_whatever_the_depth(web: Node, origin: HostileOrigin) -> None:
    for depth in ("0", "1"):
        found = members(propfind(web, "/w/a.nc", depth))
        assert set(found) == {"/w/a.nc"}
        assert found["/w/a.nc"]["getcontentlength"] == "5"
        assert found["/w/a.nc"]["getetag"].startswith('"')
    assert sum(one.bytes_sent for one in origin.requests("/a.nc")) == 0


def test_what_is_not_there_is_404_and_a_body_is_ignored(web: Node) -> None:
    assert propfind(web, "/w/none", "1").status == 404
    assert propfind(web, "/w/a.nc/", "1").status == 404
    body = b'<?xml version="1.0"?><D:propfind xmlns:D="DAV:"><D:allprop/></D:propfind>'
    assert propfind(web, "/w/", "1", body=body).status == 207
    assert propfind(web, "/w/", "1", body=b"x" * 100_000).status == 400


def test_listing_of_a_bucket(swift: Swift, public_bucket: str, make_node: MakeNode) -> None:
    keys = {"top.txt": b"1", "d/é +.nc": b"22", "d/e/deep": b"333", "d/e/f/deeper": b"4444"}
    for key, body in keys.items():
        swift.put(public_bucket, key, body)
    node = make_node([namespace("/s", s3_origin(public_bucket, swift.endpoint))], memory="16MiB")
    top = members(propfind(node, "/s/", "1"))
    assert set(top) == {"/s/", "/s/top.txt", "/s/d/"}
    assert top["/s/top.txt"]["getcontentlength"] == "1"
    below = members(propfind(node, "/s/d", "1"))
    assert set(below) == {"/s/d/", "/s/d/é +.nc", "/s/d/e/"}
    assert below["/s/d/é +.nc"]["getcontentlength"] == "2"
    everything = members(propfind(node, "/s/", "infinity"))
    assert set(everything) == {"/s/", "/s/d/", "/s/d/e/", "/s/d/e/f/"} | {f"/s/{key}" for key in keys}
    assert propfind(node, "/s/none/", "1").status == 404
