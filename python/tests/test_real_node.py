"""The package against the real program, when FOREBAY_TEST_NODE_BINARY names it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import xarray as xr

import data
import forebay
from fake_node import FakeNode, break_off, fail
from real_node import BINARY_VARIABLE, RealNode

pytestmark = pytest.mark.skipif(
    BINARY_VARIABLE not in os.environ, reason=f"{BINARY_VARIABLE} names no program to test against"
)

BODY = os.urandom(3_000_000)


@pytest.fixture(scope="module")
def origin() -> Iterator[FakeNode]:
    with FakeNode(signature=False, index=True, Cache_Control="max-age=600") as running:
        yield running


@pytest.fixture(scope="module")
def real(origin: FakeNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealNode]:
    with RealNode(origin.url, tmp_path_factory.mktemp("node")) as running:
        yield running


@pytest.fixture
def fs(real: RealNode, quick_retries: None) -> forebay.ForebayFileSystem:
    return fsspec.filesystem("forebay", node=real.url)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("science")


@pytest.fixture(scope="module")
def expected() -> xr.Dataset:
    return data.make_dataset()


def objects_asked_for(origin: FakeNode) -> int:
    """Count what the origin was asked for; a store without consolidated metadata is listed each time."""
    return sum(not one.target.endswith("/") for one in origin.seen("GET"))


def served_by(
    origin: FakeNode, folder: Path, version: int, consolidated: bool, name: str
) -> dict[str, bytes]:
    path = folder / f"v{version}{'c' if consolidated else ''}.zarr"
    if not path.exists():
        data.write_zarr(folder, version, consolidated)
    tree = data.read_tree(path)
    origin.put_tree(name, tree)
    return tree


@pytest.mark.parametrize(
    ("start", "end"),
    [(None, None), (0, 10), (2_999_990, 4_000_000), (-10, None), (-10, -3), (4_000_000, None)],
)
def test_slices(fs: Any, origin: FakeNode, start: int | None, end: int | None) -> None:
    origin.put("slices", BODY)
    assert fs.cat_file("data/slices", start=start, end=end) == BODY[start:end]


def test_ranges_in_one_call(fs: Any, origin: FakeNode) -> None:
    origin.put("ranges", BODY)
    starts = [0, 100, 2_000_000, 5_000]
    assert fs.cat_ranges(["data/ranges"] * 4, starts, [s + 50 for s in starts]) == [
        BODY[s : s + 50] for s in starts
    ]


@pytest.mark.parametrize("key", ["a b", "100%", "a+b", "x=y", "what?", "no#1", "ü/数", "a&b;c", "a//b"])
def test_keys_arrive_exactly(fs: Any, origin: FakeNode, key: str) -> None:
    origin.put(f"keys/{key}", b"exact " + key.encode())
    assert fs.cat_file(f"data/keys/{key}") == b"exact " + key.encode()


def test_empty_objects_and_unknown_lengths(fs: Any, origin: FakeNode) -> None:
    origin.put("empty", b"")
    assert fs.cat_file("data/empty") == fs.cat_file("data/empty", -5) == b""
    origin.put("chunked", BODY, length_known=False)
    assert fs.cat_file("data/chunked") == BODY
    with fs.open("data/chunked") as file:
        file.seek(-5, 2)
        assert file.read() == BODY[-5:]


def test_what_is_missing_and_what_fails(fs: Any, origin: FakeNode) -> None:
    with pytest.raises(FileNotFoundError):
        fs.cat_file("data/none")
    assert not fs.exists("data/none")
    origin.always("ill", fail(503, Retry_After="0"))
    with pytest.raises(OSError, match="503") as caught:
        fs.cat_file("data/ill")
    assert not isinstance(caught.value, FileNotFoundError)
    with pytest.raises(forebay.UnknownNamespaceError):
        fs.cat_file("nowhere/zarr.json")
    with pytest.raises(OSError, match="nowhere"):
        fs.exists("nowhere/zarr.json")
    with pytest.raises(PermissionError):
        fs.cat_file("https://example.org/not-allowed")


def test_listings(fs: Any, origin: FakeNode) -> None:
    for name in ("list/a.nc", "list/b c+d.nc", "list/sub/deep/x", "list/sub/y"):
        origin.put(name, b"12345")
    found = fs.ls("data/list")
    assert [(info["name"], info["type"]) for info in found] == [
        ("data/list/a.nc", "file"),
        ("data/list/b c+d.nc", "file"),
        ("data/list/sub", "directory"),
    ]
    assert fs.find("data/list") == [
        "data/list/a.nc",
        "data/list/b c+d.nc",
        "data/list/sub/deep/x",
        "data/list/sub/y",
    ]
    assert fs.glob("data/list/*.nc") == ["data/list/a.nc", "data/list/b c+d.nc"]
    assert fs.ls("", detail=False) == ["data"]
    assert fs.isdir("")
    assert fs.isdir("data/list/sub")
    assert fs.isfile("data/list/a.nc")
    assert fs.info("data/list/a.nc")["size"] == 5


def test_get_a_tree(fs: Any, origin: FakeNode, tmp_path: Path) -> None:
    origin.put_tree("tree", {"a": b"1", "sub/b": BODY})
    fs.get("data/tree", str(tmp_path / "copy"), recursive=True)
    assert (tmp_path / "copy/sub/b").read_bytes() == BODY


def test_an_object_that_changes_under_an_open_file(fs: Any, origin: FakeNode) -> None:
    old, new = os.urandom(40_000_000), os.urandom(40_000_000)
    origin.put("changing", old)
    with fs.open("data/changing") as file:
        assert file.read(10) == old[:10]
        origin.put("changing", new)
        file.seek(35_000_000)
        with pytest.raises(forebay.VersionChangedError):
            file.read(10)


@pytest.mark.parametrize(("version", "consolidated"), [(2, True), (2, False), (3, True), (3, False)])
def test_zarr_and_its_second_pass(
    real: RealNode, origin: FakeNode, folder: Path, expected: xr.Dataset, version: int, consolidated: bool
) -> None:
    name = f"v{version}{consolidated}.zarr"
    tree = served_by(origin, folder, version, consolidated, name)
    forebay.install(real.url, protocols=["http"])
    passes = []
    for url in (f"{origin.url}/{name}", f"forebay://data/{name}"):
        options = {"storage_options": {"node": real.url}} if url.startswith("forebay") else {}
        for _ in range(2):
            before = objects_asked_for(origin)
            found = xr.open_zarr(url, consolidated=consolidated, chunks=None, **options)
            xr.testing.assert_identical(found.load(), expected)
            passes.append(objects_asked_for(origin) - before)
    assert passes[0] >= len([key for key in tree if "t2m" in key])
    assert passes[1:] == [0, 0, 0], "one copy under two addresses, and not one request of the second pass"


@pytest.mark.parametrize("version", [2, 3])
def test_missing_chunks_are_fill_values_and_failing_ones_errors(
    fs: Any, real: RealNode, origin: FakeNode, folder: Path, version: int
) -> None:
    name = f"holes{version}.zarr"
    tree = served_by(origin, folder, version, True, name)
    hole, ill = data.chunk_name(version, 0, 0, 0), data.chunk_name(version, 3, 1, 1)
    del origin.objects[f"{name}/{hole}"]
    origin.always(f"{name}/{ill}", fail(503, Retry_After="0"))
    assert hole in tree
    found = xr.open_zarr(f"forebay://data/{name}", chunks=None, storage_options={"node": real.url})["t2m"]
    assert np.isnan(found[:6, :15, :20].to_numpy()).all()
    with pytest.raises(OSError, match="503"):
        found.load()


def test_kerchunk_and_h5netcdf(
    real: RealNode, origin: FakeNode, folder: Path, expected: xr.Dataset, tmp_path: Path
) -> None:
    netcdf = data.write_netcdf(tmp_path)
    origin.put("files/data.nc", netcdf.read_bytes())
    forebay.install(real.url, protocols=["http"])
    url = f"{origin.url}/files/data.nc"
    with fsspec.open(url) as file, xr.open_dataset(file, engine="h5netcdf") as found:
        xr.testing.assert_allclose(found.load(), expected)
    references = tmp_path / "refs.json"
    references.write_text(json.dumps(data.write_references(netcdf, url)))
    before = origin.count("GET")
    found = xr.open_dataset(
        "reference://",
        engine="zarr",
        backend_kwargs={
            "consolidated": False,
            "storage_options": {
                "fo": str(references),
                "remote_protocol": "http",
                "remote_options": {"asynchronous": True},
                "asynchronous": True,
            },
        },
    )
    xr.testing.assert_allclose(found.load()[["t2m", "land"]], expected[["t2m", "land"]])
    assert origin.count("GET") - before <= 2


def test_two_workers_of_dask(real: RealNode, origin: FakeNode, folder: Path, expected: xr.Dataset) -> None:
    distributed = pytest.importorskip("distributed")
    served_by(origin, folder, 3, True, "dask.zarr")
    forebay.install(real.url, protocols=["http"])
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, processes=True, dashboard_address=":0", host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster),
    ):
        found = xr.open_zarr(f"{origin.url}/dask.zarr", chunks={})
        np.testing.assert_allclose(
            found["t2m"].mean("time").compute(), expected["t2m"].mean("time"), rtol=1e-5
        )
        before = origin.count("GET")
        np.testing.assert_allclose(found["t2m"].std("time").compute(), expected["t2m"].std("time"), rtol=1e-4)
        assert origin.count("GET") == before


def test_many_readers_cost_the_origin_one(fs: Any, origin: FakeNode, real: RealNode) -> None:
    origin.put("once", BODY * 4)

    async def read() -> list[bytes]:
        near = fsspec.filesystem("forebay", node=real.url, asynchronous=True)
        return await asyncio.gather(*(near._cat_file("data/once") for _ in range(20)))

    before = origin.served_bytes
    assert all(found == BODY * 4 for found in asyncio.run(read()))
    assert origin.served_bytes - before == len(BODY) * 4


@pytest.mark.parametrize("breaks", [1, 2, 4])
def test_an_origin_that_breaks_off_never_makes_short_data(fs: Any, origin: FakeNode, breaks: int) -> None:
    body = BODY * 5
    origin.put(f"broken{breaks}", body)
    origin.script(f"broken{breaks}", *[break_off(1_000_000)] * breaks)
    assert fs.cat_file(f"data/broken{breaks}") == body
    assert origin.count("GET", f"broken{breaks}") > breaks


def test_an_origin_that_always_breaks_off_is_an_error(fs: Any, origin: FakeNode, tmp_path: Path) -> None:
    origin.put("hopeless", BODY * 5)
    origin.always("hopeless", break_off(at_byte=2_000_000))
    with pytest.raises(OSError, match="hopeless") as caught:
        fs.get_file("data/hopeless", str(tmp_path / "file"))
    assert not isinstance(caught.value, FileNotFoundError)
    assert list(tmp_path.iterdir()) == []


def test_a_node_that_dies_is_passed_by(origin: FakeNode, tmp_path: Path) -> None:
    origin.put("mortal", BODY)
    origin.put("mortal2", BODY[::-1])
    with RealNode(origin.url, tmp_path) as mortal:
        forebay.install(mortal.url, protocols=["http"])
        fs = fsspec.filesystem("http")
        file = fs.open(f"{origin.url}/mortal")
        assert file.read(10) == BODY[:10]
        mortal.kill()
        with pytest.warns(forebay.NodeDownWarning) as caught:
            assert fs.cat_file(f"{origin.url}/mortal2") == BODY[::-1]
            file.seek(2_500_000)
            assert file.read(10) == BODY[2_500_000:2_500_010], "the same ETag at the origin"
        assert len(caught) == 1
