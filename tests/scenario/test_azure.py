"""Azure Blob behind a node: Azurite, a real server of its protocol."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from forebay_lab.cloud_stores import AZURE_KEY, Azurite
from forebay_lab.dav import members, propfind
from forebay_lab.node import Node, namespace

MakeNode = Callable[..., Node]

_numbers = itertools.count(1)


@pytest.fixture
def public(azurite: Azurite) -> str:
    return azurite.make_container(f"public-{next(_numbers)}", public=True)


@pytest.fixture
def private(azurite: Azurite) -> str:
    return azurite.make_container(f"private-{next(_numbers)}", public=False)


def with_credentials(**keys: str) -> dict[str, Any]:
    return {"credentials": [{"name": "lab", **keys}]}


def test_an_object_is_read_once_whole_and_in_ranges(make_node: MakeNode, azurite: Azurite, public: str) -> None:
    body = bytes(range(256)) * 4096
    azurite.put(public, "store.zarr/t/0.0", body)
    node = make_node([namespace("/a", azurite.origin(public))], memory="64MiB")
    assert node.get("/a/store.zarr/t/0.0").body == body
    again = node.get("/a/store.zarr/t/0.0", headers={"Range": "bytes=1000-1999"})
    assert (again.status, again.body) == (206, body[1000:2000])
    assert node.metric("forebay_origin_bytes_total") == len(body)


@pytest.mark.parametrize("how", ["account_key", "sas_token"])
def test_a_private_container_is_read_with_credentials(
    make_node: MakeNode, azurite: Azurite, private: str, how: str
) -> None:
    azurite.put(private, "d/k y", b"data")
    secret = AZURE_KEY if how == "account_key" else azurite.shared_access_signature(private)
    node = make_node(
        [
            namespace("/with", azurite.origin(private, credentials="lab")),
            namespace("/without", azurite.origin(private)),
        ],
        memory="64MiB",
        settings=with_credentials(**{how: secret}),
    )
    assert node.get("/with/d/k%20y").body == b"data"
    assert node.get("/with/d/k%20y", headers={"Range": "bytes=1-2"}).body == b"at"
    assert node.get("/without/d/k%20y").status in (401, 403, 404), "what one namespace may read another may not"
    assert set(members(propfind(node, "/with/d/", "1"))) == {"/with/d/", "/with/d/k y"}
    said = node.log.read_text() + node.admin("/metrics").body.decode()
    assert "sig=" not in said
    assert AZURE_KEY not in said


@pytest.mark.parametrize("key", ["a b", "a+b", "100%", "日本語", "x=1&y;z", "ha#sh"])
def test_odd_keys(make_node: MakeNode, azurite: Azurite, private: str, key: str) -> None:
    azurite.put(private, f"p/{key}", key.encode())
    origin = azurite.origin(private, "p", credentials="lab")
    node = make_node([namespace("/a", origin)], memory="64MiB", settings=with_credentials(account_key=AZURE_KEY))
    assert node.get(f"/a/{quote(key)}").body == key.encode()


def test_an_object_that_was_replaced_is_another_version(make_node: MakeNode, azurite: Azurite, public: str) -> None:
    azurite.put(public, "k", b"first")
    node = make_node([namespace("/a", azurite.origin(public), freshness={"ttl": "0s"})], memory="64MiB")
    assert node.get("/a/k").body == b"first"
    azurite.put(public, "k", b"other")
    assert node.get("/a/k").body == b"other"


def test_what_is_not_there(make_node: MakeNode, azurite: Azurite, public: str) -> None:
    node = make_node([namespace("/a", azurite.origin(public))], memory="64MiB")
    assert node.get("/a/absent").status == 404


def test_listings(make_node: MakeNode, azurite: Azurite, public: str) -> None:
    for key in ("d/a", "d/b c", "d/e/f"):
        azurite.put(public, key, b"12345")
    node = make_node([namespace("/a", azurite.origin(public))], memory="64MiB")
    found = members(propfind(node, "/a/d/", "1"))
    assert set(found) == {"/a/d/", "/a/d/a", "/a/d/b c", "/a/d/e/"}
    assert found["/a/d/a"]["getcontentlength"] == "5"
    assert set(members(propfind(node, "/a/d/", "infinity"))) >= {"/a/d/a", "/a/d/b c", "/a/d/e/f"}


def test_writes_pass_through(make_node: MakeNode, azurite: Azurite, private: str) -> None:
    origin = azurite.origin(private, credentials="lab")
    settings = with_credentials(account_key=AZURE_KEY)
    spaces = [namespace("/a", origin, write=True, public_write=True), namespace("/closed", origin, write=True)]
    node = make_node(spaces, memory="64MiB", settings=settings)
    azurite.put(private, "k", b"old")
    assert node.get("/closed/k", method="PUT", body=b"anybody's").status == 403
    assert node.get("/a/k").body == b"old"
    assert node.get("/a/k", method="PUT", body=b"new").status == 201
    assert azurite.get(private, "k") == b"new"
    assert node.get("/a/k").body == b"new"
