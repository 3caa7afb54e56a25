"""Small scientific data for the tests, in each of the formats that people read over HTTP."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import xarray as xr

TIMES, LATITUDES, LONGITUDES = 24, 30, 40
CHUNKS = (6, 15, 20)


def make_dataset() -> xr.Dataset:
    chance = np.random.default_rng(7)
    values = chance.normal(15, 8, (TIMES, LATITUDES, LONGITUDES)).astype("f4")
    return xr.Dataset(
        {
            "t2m": (("time", "lat", "lon"), values, {"units": "degC"}),
            "land": (("lat", "lon"), chance.integers(0, 2, (LATITUDES, LONGITUDES), dtype="i1")),
        },
        coords={
            "time": np.datetime64("2020-01-01") + np.arange(TIMES) * np.timedelta64(30, "D"),
            "lat": np.linspace(-87, 87, LATITUDES),
            "lon": np.linspace(0, 351, LONGITUDES),
        },
        attrs={"title": "made for tests"},
    )


def write_zarr(folder: Path, version: int, consolidated: bool) -> Path:
    """Write the dataset as a Zarr store, with one chunk left out."""
    path = folder / f"v{version}{'c' if consolidated else ''}.zarr"
    encoding = {"t2m": {"chunks": CHUNKS}}
    make_dataset().to_zarr(path, zarr_format=version, consolidated=consolidated, encoding=encoding)
    return path


def chunk_name(version: int, *indices: int) -> str:
    numbers = [str(i) for i in indices]
    return "t2m/" + (".".join(numbers) if version == 2 else "c/" + "/".join(numbers))


def write_netcdf(folder: Path) -> Path:
    path = folder / "data.nc"
    encoding = {"t2m": {"chunksizes": CHUNKS, "zlib": True, "complevel": 1}}
    make_dataset().to_netcdf(path, engine="h5netcdf", encoding=encoding)
    return path


def write_references(netcdf: Path, url: str) -> dict[str, object]:
    """Make kerchunk's references to the chunks of a NetCDF-4 file that will be found under a URL."""
    from kerchunk.hdf import SingleHdf5ToZarr

    with netcdf.open("rb") as file:
        references = SingleHdf5ToZarr(file, url, inline_threshold=100).translate()
    found: dict[str, object] = json.loads(json.dumps(references))
    return found


def read_tree(path: Path) -> dict[str, bytes]:
    return {one.relative_to(path).as_posix(): one.read_bytes() for one in path.rglob("*") if one.is_file()}
