"""A bucket with very many keys: each page is asked for once, and no more is held than the limit says."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import botocore.config
import botocore.exceptions
import pytest

from forebay_lab.many_keys import KEYS_PER_DIRECTORY, ManyKeys, key_of, walk
from forebay_lab.node import Node, namespace

MakeNode = Callable[..., Node]

KEYS = 200_000
PAGES = KEYS // 1000
LISTING_BYTES = 2 << 20  # about a dozen pages


@pytest.fixture
def sea() -> Iterator[ManyKeys]:
    with ManyKeys(KEYS) as store:
        yield store


@pytest.fixture
def node(make_node: MakeNode, sea: ManyKeys) -> Node:
    return make_node(
        [namespace("/sea", sea.origin, freshness={"listing_ttl": "1h"})],
        s3=True,
        settings={"limits": {"listing_bytes": f"{LISTING_BYTES // 1024}KiB"}},
    )


def pages(node: Node, **asked: Any) -> Iterator[dict[str, Any]]:
    s3 = boto3.client("s3", endpoint_url=node.s3_url, region_name="us-east-1",
                      config=botocore.config.Config(signature_version=botocore.UNSIGNED))  # fmt: skip
    yield from s3.get_paginator("list_objects_v2").paginate(Bucket="sea", **asked)


def test_a_walk_asks_for_each_page_once_and_holds_a_few(node: Node, sea: ManyKeys) -> None:
    number, most_held = 0, 0.0
    for turn, page in enumerate(walk(f"{node.s3_url}/sea")):
        assert page == [key_of(number + at) for at in range(len(page))]
        number += len(page)
        if turn % 10 == 0:
            most_held = max(most_held, node.metric("forebay_listing_bytes"))
    assert number == KEYS
    assert len(sea.requests()) == PAGES
    assert 0 < most_held <= LISTING_BYTES
    assert node.metric("forebay_listing_evictions_total") > PAGES / 2
    assert node.metric("forebay_listing_pages_total", result="miss") == PAGES


def test_readers_who_walk_together_share_the_pages(node: Node, sea: ManyKeys) -> None:
    """Each page is one exchange for all who are near it: never one for each of them."""

    def ten_pages(_: int) -> int:
        return sum(len(page) for page in itertools.islice(walk(f"{node.s3_url}/sea"), 10))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ten_pages, range(8))) == [10_000] * 8
    assert len(sea.requests()) == 10


def test_directories_of_it_are_pages_too(node: Node, sea: ManyKeys) -> None:
    names = [one["Prefix"] for page in pages(node, Delimiter="/") for one in page.get("CommonPrefixes", [])]
    assert names == [key_of(at * KEYS_PER_DIRECTORY)[:6] for at in range(PAGES)]
    assert len(sea.requests()) == 1
    (page,) = pages(node, Prefix="00042/")
    assert [entry["Key"] for entry in page["Contents"]] == [key_of(42_000 + n) for n in range(1000)]
    listed = node.get("/sea/", method="PROPFIND", headers={"Depth": "1"})
    assert (listed.status, listed.body.count(b"<D:response>")) == (207, PAGES + 1)


def test_a_listing_that_is_too_long_for_one_answer_is_refused_and_not_cut(node: Node, sea: ManyKeys) -> None:
    answer = node.get("/sea/", method="PROPFIND", headers={"Depth": "infinity"})
    assert answer.status == 507
    assert len(sea.requests()) <= PAGES // 2 + 1  # listing_entries, and not all of it
