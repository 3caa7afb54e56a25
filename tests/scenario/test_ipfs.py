"""IPFS through trustless gateways: everything is verified, nothing is believed."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

import pytest

from forebay_lab.ipfs import BLAKE2B_256, Blocks, Gateway, Linked
from forebay_lab.node import Node, namespace

MakeNode = Callable[..., Node]

BODY = random.Random(7).randbytes(100_000)
NAMES = [f"chunk-{i}" for i in range(600)]


@pytest.fixture
def blocks() -> Blocks:
    return Blocks()


@pytest.fixture
def gateway(blocks: Blocks) -> Iterator[Gateway]:
    with Gateway(blocks) as one:
        yield one


@pytest.fixture
def second_gateway(blocks: Blocks) -> Iterator[Gateway]:
    with Gateway(blocks) as one:
        yield one


def ipfs_node(make_node: MakeNode, root: Linked, *gateways: Gateway) -> Node:
    origin = f"ipfs://{root.text}?gateways=" + ",".join(one.url for one in gateways)
    return make_node([namespace("/i", origin)], memory="64MiB")


def test_the_encoder_makes_cids_of_the_literature(blocks: Blocks) -> None:
    # "hello world" as `ipfs add --cid-version 1` names it, and the empty directory.
    assert blocks.file(b"hello world").text == "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
    assert blocks.directory({}).text == "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"


def test_a_file_is_put_together_and_cached(make_node: MakeNode, blocks: Blocks, gateway: Gateway) -> None:
    root = blocks.directory({"data": blocks.directory({"a.nc": blocks.file(BODY)})})
    node = ipfs_node(make_node, root, gateway)
    first = node.get("/i/data/a.nc")
    assert first.status == 200
    assert first.body == BODY
    assert first.headers["etag"] == f'"{blocks.file(BODY).text}"'
    assert "immutable" in first.headers["cache-control"]
    assert len(gateway.asked) == len(set(gateway.asked))
    before = len(gateway.asked)
    again = node.get("/i/data/a.nc", headers={"Range": "bytes=5000-5999"})
    assert again.body == BODY[5000:6000]
    assert again.headers["cache-status"].startswith("forebay; hit")
    assert len(gateway.asked) == before


def test_a_range_asks_for_its_blocks_alone(make_node: MakeNode, blocks: Blocks, gateway: Gateway) -> None:
    big = random.Random(8).randbytes(4_000_000)
    root = blocks.file(big, chunk=100_000, width=5)
    node = ipfs_node(make_node, root, gateway)
    at = 2_000_000
    reply = node.get("/i/", headers={"Range": f"bytes={at}-{at + 99}"})
    assert reply.status == 206
    assert reply.body == big[at : at + 100]
    assert len(gateway.asked) < len(blocks.stored) / 2


def test_other_hashes_are_verified_too(make_node: MakeNode, blocks: Blocks, gateway: Gateway) -> None:
    root = blocks.directory({"x": blocks.file(BODY, code=BLAKE2B_256)})
    assert ipfs_node(make_node, root, gateway).get("/i/x").body == BODY


def test_sharded_directories(make_node: MakeNode, blocks: Blocks, gateway: Gateway) -> None:
    entries = {name: blocks.file(name.encode()) for name in NAMES}
    node = ipfs_node(make_node, blocks.directory({"z": blocks.sharded(entries)}), gateway)
    for name in NAMES[::97]:
        assert node.get(f"/i/z/{name}").body == name.encode()
    assert node.get("/i/z/chunk-600").status == 404
    reply = node.get("/i/z/", method="PROPFIND", headers={"Depth": "1"})
    assert reply.status == 207
    assert set(re.findall(r"/i/z/(chunk-\d+)<", reply.body.decode())) == set(NAMES)


def test_absent_is_404_and_an_unknown_block_is_not(make_node: MakeNode, blocks: Blocks, gateway: Gateway) -> None:
    lost = blocks.file(b"lost")
    root = blocks.directory({"lost": lost, "sub": blocks.directory({})})
    node = ipfs_node(make_node, root, gateway)
    assert node.get("/i/none").status == 404
    assert node.get("/i/sub").status == 404
    assert node.get("/i/sub/none").status == 404
    del blocks.stored[lost.text]
    reply = node.get("/i/lost")
    assert reply.status == 502
    assert lost.text.encode() in reply.body


def test_a_gateway_that_lies_is_left_alone(
    make_node: MakeNode, blocks: Blocks, gateway: Gateway, second_gateway: Gateway
) -> None:
    root = blocks.directory({"a": blocks.file(BODY), "b": blocks.file(BODY[::-1])})
    gateway.lies = True
    node = ipfs_node(make_node, root, gateway, second_gateway)
    assert node.get("/i/a").body == BODY
    assert node.get("/i/b").body == BODY[::-1]
    assert len(gateway.asked) == 1
    metrics = node.metrics()
    assert metrics[f'forebay_ipfs_blocks_refused_total{{origin="{gateway.url}"}}'] == 1


def test_lies_alone_are_an_error(make_node: MakeNode, blocks: Blocks, gateway: Gateway) -> None:
    root = blocks.file(b"hello")
    gateway.lies = True
    node = ipfs_node(make_node, root, gateway)
    reply = node.get("/i/")
    assert reply.status == 502
    assert b"hello" not in reply.body


def test_the_next_gateway_is_tried(
    make_node: MakeNode, blocks: Blocks, gateway: Gateway, second_gateway: Gateway
) -> None:
    root = blocks.directory({"a": blocks.file(BODY)})
    gateway.status = 500
    node = ipfs_node(make_node, root, gateway, second_gateway)
    assert node.get("/i/a").body == BODY


def test_the_open_store(make_node: MakeNode, blocks: Blocks, gateway: Gateway) -> None:
    root = blocks.directory({"a": blocks.file(BODY)})
    settings = {"open": {"ipfs_cids": ["*"]}, "network": {"ipfs_gateways": [gateway.url]}}
    node = make_node([], memory="64MiB", settings=settings)
    assert node.get(f"/ipfs/{root.text}/a").body == BODY
    assert node.get("/ipfs/nonsense/a").status == 400
    closed = make_node([], memory="64MiB")
    assert closed.get(f"/ipfs/{root.text}/a").status == 403
