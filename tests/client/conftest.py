"""One bucket of the real S3 server with every kind of data, and one node before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from content import MIB, make_content

from forebay_lab.node import Node, namespace, s3_origin
from forebay_lab.swift import Swift


@dataclass(frozen=True)
class Library:
    """What the clients read, and what they must find."""

    node: Node
    direct: str  #: URL of the bucket at the store itself
    near: str  #: URL of the same through the node
    dataset: xr.Dataset
    blob: bytes


def _make_dataset() -> xr.Dataset:
    rng = np.random.default_rng(7)
    data = rng.normal(280, 10, (24, 90, 180)).astype("float32")
    data[3, :45] = np.nan
    coords = {
        "time": np.arange("2001-01", "2003-01", dtype="datetime64[M]").astype("datetime64[ns]"),
        "lat": np.linspace(-89, 89, 90),
        "lon": np.linspace(0, 358, 180),
    }
    return xr.Dataset({"t2m": (("time", "lat", "lon"), data)}, coords=coords)


@pytest.fixture(scope="package")
def library(swift: Swift, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    bucket = swift.make_bucket("library", public=True)
    work: Path = tmp_path_factory.mktemp("library")
    dataset = _make_dataset()
    chunks = {"t2m": {"chunks": (6, 45, 90)}}
    for number in (2, 3):
        dataset.to_zarr(work / f"v{number}.zarr", zarr_format=number, encoding=chunks, consolidated=True)
    dataset.to_netcdf(work / "data.nc", engine="h5netcdf", encoding={"t2m": {"chunksizes": (6, 45, 90), "zlib": True}})
    blob = make_content(9 * MIB + 1_234)
    (work / "blob.bin").write_bytes(blob)
    swift.put_tree(bucket, "data", work)
    for key in ("sp ace/a b.txt", "plus+sign.txt", "uni/Grüße-日本.txt", "eq=1/x=2.txt", "double//slash.txt"):
        swift.put(bucket, f"keys/{key}", key.encode())
    swift.put(bucket, "keys/empty", b"")
    with Node([namespace("/lib", s3_origin(bucket, swift.endpoint), freshness={"ttl": "1h"})], memory="256MiB") as node:
        yield Library(node, f"{swift.endpoint}/{bucket}", f"{node.url}/lib", dataset, blob)
        assert node.stop() == 0
