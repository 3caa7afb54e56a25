"""Unmodified Python libraries read through the node: fsspec, xarray, zarr, obstore, Dask, h5netcdf."""

from __future__ import annotations

import fsspec
import netCDF4
import numpy as np
import obstore
import pytest
import xarray as xr
from obstore.store import HTTPStore

from .conftest import Library


@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize("consolidated", [True, False])
def test_xarray_opens_zarr(library: Library, number: int, consolidated: bool) -> None:
    if number == 3 and not consolidated:
        # Without consolidated metadata a group over HTTP has no listing: the array is named.
        import zarr

        array = zarr.open_array(f"{library.near}/data/v3.zarr/t2m", mode="r")
        np.testing.assert_array_equal(array[:], library.dataset.t2m.values)
        return
    if not consolidated:
        import zarr

        array = zarr.open_array(f"{library.near}/data/v2.zarr/t2m", mode="r", zarr_format=2)
        np.testing.assert_array_equal(array[:], library.dataset.t2m.values)
        return
    with xr.open_zarr(f"{library.near}/data/v{number}.zarr", consolidated=True) as found:
        xr.testing.assert_identical(found.load().drop_attrs(), library.dataset.drop_attrs())


def test_the_second_pass_of_xarray_is_all_hits(library: Library) -> None:
    def passes() -> float:
        with xr.open_zarr(f"{library.near}/data/v2.zarr") as found:
            return float(found.t2m.mean())

    first = passes()
    before = library.node.metric("forebay_origin_requests_total")
    assert passes() == first
    assert library.node.metric("forebay_origin_requests_total") == before


def test_fsspec_http(library: Library) -> None:
    system = fsspec.filesystem("http")
    url = f"{library.near}/data/blob.bin"
    assert system.info(url)["size"] == len(library.blob)
    assert system.cat_file(url, 5_000, 9_000) == library.blob[5_000:9_000]
    assert system.cat_ranges([url] * 3, [0, 100_000, 8_000_000], [10, 100_010, 8_000_010]) == [
        library.blob[0:10],
        library.blob[100_000:100_010],
        library.blob[8_000_000:8_000_010],
    ]
    with system.open(url) as file:
        file.seek(-100, 2)
        assert file.read() == library.blob[-100:]
    assert not system.exists(f"{library.near}/data/none")


def test_obstore_http_store(library: Library) -> None:
    store = HTTPStore.from_url(f"{library.near}/data", client_options={"allow_http": True})
    assert bytes(obstore.get(store, "blob.bin").bytes()) == library.blob
    assert bytes(obstore.get_range(store, "blob.bin", start=10, end=20)) == library.blob[10:20]
    assert obstore.head(store, "blob.bin")["size"] == len(library.blob)
    with pytest.raises(FileNotFoundError):
        obstore.get(store, "none")


def test_h5netcdf_over_a_file_object(library: Library) -> None:
    with (
        fsspec.open(f"{library.near}/data/data.nc") as file,
        xr.open_dataset(file, engine="h5netcdf") as found,
    ):
        np.testing.assert_array_equal(found.t2m.values, library.dataset.t2m.values)


def test_netcdf_c_reads_bytes(library: Library) -> None:
    """netCDF-C's own byte-range driver (of the wheel: Debian builds its library without it)."""
    with netCDF4.Dataset(f"{library.near}/data/data.nc#mode=bytes") as found:
        np.testing.assert_array_equal(found["t2m"][:].filled(np.nan), library.dataset.t2m.values)


def test_dask_distributed(library: Library) -> None:
    from dask.distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster),
        xr.open_zarr(f"{library.near}/data/v3.zarr", chunks={}) as found,
    ):
        mean = found.t2m.groupby("time.month").mean().compute()
    expected = library.dataset.t2m.groupby("time.month").mean()
    np.testing.assert_allclose(mean.values, expected.values, rtol=1e-6)
