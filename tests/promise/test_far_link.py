"""The pattern of HDF5 and of notebooks over the far link (40 ms, 200 Mbit/s), at its full size."""

from __future__ import annotations

import time

import pytest
from content import MIB, make_content
from test_once import read_in_turns

from forebay_lab.link import FarLink
from forebay_lab.node import Node, namespace, s3_origin
from forebay_lab.swift import Swift

OBJECT_BYTES = 1024 * MIB
LINE_BYTES_PER_S = 200e6 / 8


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("readers", [1, 8])
def test_a_gibibyte_in_small_ranges_fills_the_line(far_link: FarLink, far_swift: Swift, readers: int) -> None:
    bucket = far_swift.make_bucket(f"far-{readers}", public=True)
    body = make_content(OBJECT_BYTES, readers)
    far_swift.put(bucket, "big.nc", body)
    origin = s3_origin(bucket, far_swift.endpoint)
    with Node([namespace("/data", origin)], place=far_link.near, memory="2GiB") as node, far_link.near.entered():
        before = far_swift.mark()
        began = time.monotonic()
        read_in_turns(f"{node.url}/data/big.nc", body, readers)
        seconds = time.monotonic() - began
    seen = far_swift.requests(before)
    sent = sum(one.bytes_sent for one in seen)
    rate = len(body) / seconds / LINE_BYTES_PER_S
    print(f"\n{readers} readers: {rate:.1%} of the line, {sent / len(body):.4f} x the bytes, {len(seen)} requests")
    assert sent <= 1.02 * len(body)
    assert len(seen) <= 100
    # A share of the line's own rate, which the emulator sets: not a time on this machine.
    assert rate >= 0.8
