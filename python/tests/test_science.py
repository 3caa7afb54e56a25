"""What scientists do: xarray, zarr, kerchunk, h5netcdf and Dask, with code that knows of no node."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import xarray as xr
import zarr

import data
import forebay
from fake_node import FakeNode, fail

STORES = [(2, True), (2, False), (3, True), (3, False)]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("science")


@pytest.fixture(scope="session")
def expected() -> xr.Dataset:
    return data.make_dataset()


@pytest.fixture(scope="session")
def stores(folder: Path) -> dict[tuple[int, bool], dict[str, bytes]]:
    return {key: data.read_tree(data.write_zarr(folder, *key)) for key in STORES}


@pytest.fixture(scope="session")
def netcdf(folder: Path) -> Path:
    return data.write_netcdf(folder)


@pytest.fixture(autouse=True)
def no_s3_but_through_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail, rather than reach out, should a read ever go past the node."""
    import s3fs

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a read went past the node")

    monkeypatch.setattr(s3fs.S3FileSystem, "__init__", refuse)


def open_zarr(url: str, consolidated: bool, **options: Any) -> xr.Dataset:
    return xr.open_zarr(url, consolidated=consolidated, chunks=None, **options)


@pytest.mark.parametrize(("version", "consolidated"), STORES)
def test_zarr_by_unchanged_s3_urls(
    node: FakeNode, stores: Any, expected: xr.Dataset, version: int, consolidated: bool
) -> None:
    node.put_tree("s3/bucket/x.zarr", stores[version, consolidated])
    forebay.install(node.url)
    found = open_zarr("s3://bucket/x.zarr", consolidated, storage_options={"anon": True})
    xr.testing.assert_identical(found.load(), expected)


@pytest.mark.parametrize(("version", "consolidated"), STORES)
def test_zarr_by_urls_of_the_node(
    node: FakeNode, stores: Any, expected: xr.Dataset, version: int, consolidated: bool
) -> None:
    node.put_tree("era5/x.zarr", stores[version, consolidated])
    found = open_zarr("forebay://era5/x.zarr", consolidated, storage_options={"node": node.url})
    xr.testing.assert_identical(found.load(), expected)


@pytest.mark.parametrize("version", [2, 3])
def test_zarr_by_a_mapper_and_by_a_chain(
    node: FakeNode, stores: Any, expected: xr.Dataset, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # a chain makes the class of s3fs known, without an instance of it
    monkeypatch.setenv("FOREBAY_URL", node.url)
    node.put_tree("s3/bucket/x.zarr", stores[version, True])
    mapper = fsspec.get_mapper("forebay://s3/bucket/x.zarr", node=node.url)
    xr.testing.assert_identical(xr.open_zarr(mapper, chunks=None).load(), expected)
    chained = open_zarr("forebay::s3://bucket/x.zarr", True, storage_options={"s3": {"anon": True}})
    xr.testing.assert_identical(chained.load(), expected)


@pytest.mark.parametrize("version", [2, 3])
def test_a_missing_chunk_is_the_fill_value(node: FakeNode, stores: Any, version: int) -> None:
    tree = dict(stores[version, True])
    del tree[data.chunk_name(version, 0, 0, 0)]
    node.put_tree("s3/bucket/x.zarr", tree)
    forebay.install(node.url)
    found = open_zarr("s3://bucket/x.zarr", True)["t2m"].to_numpy()
    assert np.isnan(found[:6, :15, :20]).all()
    assert np.isfinite(found[6:]).all()


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("status", [403, 500, 502, 503, 504])
def test_a_chunk_that_cannot_be_read_is_an_error(
    node: FakeNode, stores: Any, version: int, status: int, quick_retries: None
) -> None:
    node.put_tree("era5/x.zarr", stores[version, True])
    node.always(f"era5/x.zarr/{data.chunk_name(version, 0, 0, 0)}", fail(status, detail="far store is ill"))
    found = open_zarr("forebay://era5/x.zarr", True, storage_options={"node": node.url})
    with pytest.raises(OSError, match="far store is ill"):
        found["t2m"].load()


def test_a_503_chunk_is_an_error_also_through_install(
    node: FakeNode, stores: Any, quick_retries: None
) -> None:
    node.put_tree("s3/bucket/x.zarr", stores[3, True])
    node.always(f"s3/bucket/x.zarr/{data.chunk_name(3, 0, 0, 0)}", fail(503, detail="SlowDown"))
    forebay.install(node.url)
    with pytest.raises(OSError, match="SlowDown"):
        open_zarr("s3://bucket/x.zarr", True)["t2m"].load()


def test_a_sharded_array(node: FakeNode, folder: Path) -> None:
    path = folder / "sharded.zarr"
    values = np.arange(64 * 64, dtype="i4").reshape(64, 64)
    array = zarr.create_array(path, shape=values.shape, chunks=(8, 8), shards=(32, 32), dtype="i4")
    array[:] = values
    node.put_tree("s3/bucket/s.zarr", data.read_tree(path))
    forebay.install(node.url)
    found = zarr.open_array("s3://bucket/s.zarr", mode="r")
    np.testing.assert_array_equal(found[3:20, 30:40], values[3:20, 30:40])
    np.testing.assert_array_equal(found[:], values)


@pytest.mark.parametrize("protocol", ["s3", "http"])
def test_kerchunk_references(
    node: FakeNode, netcdf: Path, expected: xr.Dataset, folder: Path, protocol: str
) -> None:
    place = "bucket/data.nc" if protocol == "s3" else "data.example.org/dir/data.nc"
    node.put(f"{protocol}/{place}", netcdf.read_bytes())
    forebay.install(node.url, protocols=[protocol])
    reference_file = folder / f"{protocol}.json"
    reference_file.write_text(json.dumps(data.write_references(netcdf, f"{protocol}://{place}")))
    found = xr.open_dataset(
        "reference://",
        engine="zarr",
        backend_kwargs={
            "consolidated": False,
            "storage_options": {
                "fo": str(reference_file),
                "remote_protocol": protocol,
                "remote_options": {"asynchronous": True},
                "asynchronous": True,
            },
        },
    )
    xr.testing.assert_allclose(found.load()[["t2m", "land"]], expected[["t2m", "land"]])


def test_kerchunk_references_that_fail_are_errors(node: FakeNode, netcdf: Path, quick_retries: None) -> None:
    node.always("s3/bucket/data.nc", fail(502))
    forebay.install(node.url)
    fs = fsspec.filesystem("reference", fo=data.write_references(netcdf, "s3://bucket/data.nc"))
    chunk = next(key for key in fs.references if key.startswith("t2m/0"))
    with pytest.raises(Exception, match="bucket/data") as caught:
        fs.cat_file(chunk)
    assert not isinstance(caught.value, FileNotFoundError)


def test_h5netcdf_over_a_file_object(node: FakeNode, netcdf: Path, expected: xr.Dataset) -> None:
    node.put("s3/bucket/data.nc", netcdf.read_bytes())
    forebay.install(node.url)
    with (
        fsspec.open("s3://bucket/data.nc", anon=True) as file,
        xr.open_dataset(file, engine="h5netcdf") as found,
    ):
        xr.testing.assert_allclose(found.load(), expected)


def test_h5netcdf_of_a_file_that_changes_is_an_error(node: FakeNode, netcdf: Path) -> None:
    body = netcdf.read_bytes() + os.urandom(4_000_000)
    node.put("era5/data.nc", body)
    file = fsspec.open("forebay://era5/data.nc", node=node.url).open()
    assert file.read(100) == body[:100]
    node.put("era5/data.nc", body[::-1])
    file.seek(3_000_000)
    with pytest.raises(forebay.VersionChangedError):
        file.read(100)
    file.close()


# --- Dask ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Any:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, processes=True, dashboard_address=":0", host="127.0.0.1"
        ) as made,
        distributed.Client(made) as client,
    ):
        client.wait_for_workers(2, timeout=60)
        yield client


@pytest.mark.parametrize("version", [2, 3])
def test_two_workers_of_dask_read_through_the_node(
    node: FakeNode, stores: Any, expected: xr.Dataset, cluster: Any, version: int
) -> None:
    node.put_tree("s3/bucket/x.zarr", stores[version, True])
    forebay.install(node.url)
    found = xr.open_zarr("s3://bucket/x.zarr", chunks={}, storage_options={"anon": True})
    assert found["t2m"].chunks is not None
    mean = found["t2m"].mean("time").compute()
    np.testing.assert_allclose(mean, expected["t2m"].mean("time"), rtol=1e-5)
    processes = cluster.run(os.getpid)
    assert len(set(processes.values())) == 2
    chunks = node.count("GET", f"s3/bucket/x.zarr/{data.chunk_name(version, 1, 1, 1)}")
    assert chunks == 1


def test_workers_install_for_what_they_open_themselves(
    node: FakeNode, netcdf: Path, expected: xr.Dataset, cluster: Any
) -> None:
    node.put("s3/bucket/data.nc", netcdf.read_bytes())
    cluster.run(forebay.install, node.url)

    def mean_of(url: str) -> float:
        with fsspec.open(url, anon=True) as file, xr.open_dataset(file, engine="h5netcdf") as found:
            return float(found["t2m"].mean())

    try:
        means = cluster.gather(cluster.map(mean_of, ["s3://bucket/data.nc"] * 4, pure=False))
        np.testing.assert_allclose(means, float(expected["t2m"].mean()), rtol=1e-5)
    finally:
        cluster.run(forebay.uninstall)


def test_errors_of_workers_arrive_whole(node: FakeNode, stores: Any, cluster: Any) -> None:
    node.put_tree("era5/x.zarr", stores[3, True])
    path = f"era5/x.zarr/{data.chunk_name(3, 0, 0, 0)}"
    node.always(path, fail(503, detail="far store is ill", Retry_After="3600"))
    found = xr.open_zarr("forebay://era5/x.zarr", chunks={}, storage_options={"node": node.url})
    with pytest.raises(forebay.ThrottledError, match="far store is ill") as caught:
        found["t2m"].sum().compute()
    assert caught.value.retry_after_s == 3600
