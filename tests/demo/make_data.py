"""The data of the demonstration: real climatologies, and one store in the shape of ARCO-ERA5.

Real, from Debian's ferret-datasets, each in a format that readers meet:

- ``coads.zarr``: surface marine observations (COADS), monthly; Zarr v2
- ``levitus.zarr``: temperature and salinity of the ocean (Levitus); Zarr v3
- ``etopo.nc``: relief of the Earth (ETOPO); NetCDF-4

Generated, from a fixed seed: ``era5.zarr``, about 400 MB, 2 m temperature in chunks of one hour of the whole 0.25
degree globe, float32, Blosc with LZ4 and byte shuffle, Zarr v2, as the ARCO-ERA5 archive stores it. The fields are
smooth weather on a real relief, packed to 16 bits first as GRIB does, so that they compress about as the archive's.

Everything is made once and kept in a directory; a second run uses what is there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numcodecs
import numpy as np
import pandas as pd
import xarray as xr
import zarr

FERRET = Path("/usr/share/ferret-vis/data")

ERA5_LATITUDES, ERA5_LONGITUDES = 721, 1440
#: Four hours in every month of four years: enough for a climatology, and about 400 MB.
ERA5_YEARS = range(2017, 2021)
ERA5_DAYS = (1, 8, 16, 24)
#: GRIB's usual packing: the range of a field in 16 bits.
PACKING_STEPS = 2**16 - 1
WRITER_THREADS = 2
SEED = 20240229

_DONE = "done.json"


def make_all(directory: Path) -> dict[str, int]:
    """Makes what is not there yet; returns the size in bytes of every object by its name."""
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    done = directory / _DONE
    if done.exists() and (kept := json.loads(done.read_text()))["recipe"] == recipe:
        return kept["objects"]
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    _make_coads(directory / "coads.zarr")
    _make_levitus(directory / "levitus.zarr")
    relief = _make_etopo(directory / "etopo.nc")
    _make_era5(directory / "era5.zarr", relief)
    objects = {
        path.relative_to(directory).as_posix(): path.stat().st_size
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
    # Written under another name first: an interrupted run leaves no stamp.
    part = done.with_suffix(".part")
    part.write_text(json.dumps({"recipe": recipe, "objects": objects}))
    os.replace(part, done)
    return objects


def _open(name: str) -> xr.Dataset:
    path = FERRET / name
    if not path.exists():
        raise SystemExit(f"{path} is missing: install ferret-datasets (make setup)")
    return xr.open_dataset(path, decode_times=False)


def _make_coads(target: Path) -> None:
    coads = _open("coads_climatology.cdf").rename(TIME="month", COADSY="latitude", COADSX="longitude")
    coads = coads.assign_coords(month=np.arange(1, 13))
    chunks = {name: {"chunks": (1, 90, 180)} for name in coads.data_vars}
    _plain(coads).to_zarr(target, zarr_format=2, consolidated=True, encoding=chunks)


def _make_levitus(target: Path) -> None:
    levitus = _open("levitus_climatology.cdf")[["TEMP", "SALT"]]
    levitus = levitus.rename(ZAXLEVITR="depth", YAXLEVITR="latitude", XAXLEVITR="longitude")
    chunks = {name: {"chunks": (5, 90, 180)} for name in levitus.data_vars}
    with warnings.catch_warnings():
        # zarr warns that consolidated metadata is not in the v3 specification; xarray's users have it all the same.
        warnings.simplefilter("ignore", UserWarning)
        _plain(levitus).to_zarr(target, zarr_format=3, consolidated=True, encoding=chunks)


def _make_etopo(target: Path) -> xr.DataArray:
    etopo = _open("etopo20.cdf").rename(ETOPO20Y="latitude", ETOPO20X1_1081="longitude", ROSE="relief")
    packing = {"relief": {"zlib": True, "shuffle": True, "chunksizes": (90, 180)}}
    _plain(etopo).to_netcdf(target, engine="h5netcdf", encoding=packing)
    return etopo["relief"]


def _plain(dataset: xr.Dataset) -> xr.Dataset:
    """Without how it was stored before: chunks and packing of the old file do not fit the new one."""
    dataset = dataset.load()
    for name in dataset.variables:
        dataset[name].encoding = {}
    return dataset


def _make_era5(target: Path, relief: xr.DataArray) -> None:
    times = pd.DatetimeIndex(
        [pd.Timestamp(year, month, day, 12) for year in ERA5_YEARS for month in range(1, 13) for day in ERA5_DAYS]
    )
    latitudes = np.linspace(90, -90, ERA5_LATITUDES)
    longitudes = np.arange(ERA5_LONGITUDES) * 0.25
    _write_era5_frame(target, times, latitudes, longitudes)
    array = zarr.open_group(target, mode="r+", zarr_format=2)["2m_temperature"]
    weather = _Weather(latitudes, _on_grid(relief, latitudes, longitudes))

    def write(index: int) -> None:
        array[index] = weather.field(times[index], index)

    with ThreadPoolExecutor(WRITER_THREADS) as threads:
        list(threads.map(write, range(len(times))))


def _write_era5_frame(target: Path, times: pd.DatetimeIndex, latitudes: np.ndarray, longitudes: np.ndarray) -> None:
    """Coordinates, attributes and an array without chunks: a template, as such archives begin."""
    import dask.array

    shape = (len(times), len(latitudes), len(longitudes))
    chunk = (1, len(latitudes), len(longitudes))
    frame = xr.Dataset(
        {
            "2m_temperature": (
                ("time", "latitude", "longitude"),
                dask.array.zeros(shape, chunks=chunk, dtype="f4"),
                {"long_name": "2 metre temperature", "units": "K", "short_name": "t2m"},
            )
        },
        coords={
            "time": times,
            "latitude": ("latitude", latitudes.astype("f4"), {"units": "degrees_north"}),
            "longitude": ("longitude", longitudes.astype("f4"), {"units": "degrees_east"}),
        },
        attrs={"source": "generated: not ERA5, its shape"},
    )
    encoding = {
        "2m_temperature": {"compressors": numcodecs.Blosc(cname="lz4", clevel=5, shuffle=numcodecs.Blosc.SHUFFLE)},
        "time": {"units": "hours since 1900-01-01", "dtype": "i8", "chunks": (len(times),)},
    }
    frame.to_zarr(target, zarr_format=2, consolidated=True, compute=False, encoding=encoding)


def _on_grid(relief: xr.DataArray, latitudes: np.ndarray, longitudes: np.ndarray) -> np.ndarray:
    """Height of the land in metres on the grid, the sea at 0; nearest neighbour."""
    rows = np.abs(relief["latitude"].values[:, None] - latitudes[None, :]).argmin(axis=0)
    east = relief["longitude"].values % 360
    columns = np.abs(east[:, None] - longitudes[None, :]).argmin(axis=0)
    return np.maximum(relief.values[np.ix_(rows, columns)], 0).astype("f4")


class _Weather:
    """Fields of temperature: the sun's height by latitude and season, lapse with height, and waves of weather."""

    LAPSE_K_PER_M = 0.0065
    WARMING_K_PER_YEAR = 0.03
    #: Amplitude of the synoptic waves, and of what is smaller than the grid, in kelvin.
    SYNOPTIC_K = 5.0
    TEXTURE_K = 0.25

    def __init__(self, latitudes: np.ndarray, height_m: np.ndarray) -> None:
        self._sin = np.sin(np.deg2rad(latitudes))[:, None].astype("f4")
        self._height_m = height_m
        self._land = (height_m > 0).astype("f4")
        rows = 768  # a little more than the grid's, for the Fourier transform's sake
        wave = np.hypot(np.fft.fftfreq(rows)[:, None] * 720, np.fft.rfftfreq(ERA5_LONGITUDES)[None, :] * 1440)
        # Weather's spectrum: flat up to a dozen waves around the globe, then falling with the third power.
        self._amplitude = (1 / (1 + (wave / 12) ** 3)).astype("f4")
        self._rows = rows

    def field(self, time: pd.Timestamp, index: int) -> np.ndarray:
        """The globe at one hour; the same for the same index, whoever asks in whatever order."""
        chance = np.random.default_rng([SEED, index])
        season = np.cos(2 * np.pi * (time.day_of_year - 200) / 365.25)
        mean = 300 - 42 * self._sin**2 + season * self._sin * (6 + 14 * self._land)
        mean = mean - self.LAPSE_K_PER_M * self._height_m + self.WARMING_K_PER_YEAR * (time.year - ERA5_YEARS[0])
        noise = chance.standard_normal((self._rows, ERA5_LONGITUDES), dtype="f4")
        smooth = np.fft.irfft2(np.fft.rfft2(noise) * self._amplitude, s=noise.shape)[:ERA5_LATITUDES]
        smooth *= self.SYNOPTIC_K * (0.3 + np.abs(self._sin)) / smooth.std()
        values = mean + smooth + self.TEXTURE_K * noise[:ERA5_LATITUDES]
        return _packed(values)


def _packed(values: np.ndarray) -> np.ndarray:
    """As GRIB's simple packing leaves them: 16 bits between the least and the greatest value."""
    least, greatest = float(values.min()), float(values.max())
    # A power of two as the step, as in GRIB's binary scale factor.
    step = 2.0 ** np.ceil(np.log2((greatest - least) / PACKING_STEPS))
    return (np.round((values - least) / step) * step + least).astype("f4")


if __name__ == "__main__":
    import sys

    sizes = make_all(Path(sys.argv[1]))
    print(f"{len(sizes)} objects, {sum(sizes.values()) / 1e6:.0f} MB")
