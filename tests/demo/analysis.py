"""The analysis of the demonstration: what a scientist does with xarray and Dask, in several passes over the data.

    python analysis.py BASE_URL RESULT_DIRECTORY

``BASE_URL`` is where the stores are: the object store itself, or a node in front of it. Nothing else differs.
Writes ``answers.npz`` and ``report.json``: how long each step took, and a digest of each answer.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dask
import fsspec
import numpy as np
import xarray as xr
from dask.distributed import Client, LocalCluster

WORKERS = 2
#: Each reads a chunk at a time, and the store is far away; more than two would wait for each other in Python.
THREADS_PER_WORKER = 2
#: Arrays of some megabytes come and go: memory goes back to the kernel, page by page, only when there is much of it.
ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": 2**30, "MALLOC_MMAP_THRESHOLD_": 2**30}

#: Latitude and longitude of the time series.
POINTS = {
    "Bologna": (44.5, 11.3),
    "Nairobi": (-1.3, 36.8),
    "Lima": (-12.0, 283.0),
    "Yakutsk": (62.0, 129.7),
    "McMurdo": (-77.8, 166.7),
}
#: The month whose anomaly is mapped.
MAP_MONTH = "2020-07"


class Analysis:
    """The steps in their order; each computes its own graph, so each reads what it needs anew."""

    def __init__(self, base_url: str) -> None:
        self._base = base_url.rstrip("/")
        self.answers: dict[str, np.ndarray] = {}
        self.seconds: dict[str, float] = {}

    def run(self) -> None:
        """All steps."""
        with self._step("open"):
            self._open()
        with self._step("monthly climatology"):
            self._climatology()
        with self._step("anomalies"):
            self._anomalies()
        with self._step("time series at points"):
            self._series()
        with self._step("map"):
            self._map()
        with self._step("ocean"):
            self._ocean()

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        start = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - start

    def _open(self) -> None:
        era5 = xr.open_zarr(f"{self._base}/era5.zarr", zarr_format=2, consolidated=True, chunks={})
        self._temperature = era5["2m_temperature"]
        self._coads = xr.open_zarr(f"{self._base}/coads.zarr", zarr_format=2, consolidated=True, chunks={})
        self._levitus = xr.open_zarr(f"{self._base}/levitus.zarr", zarr_format=3, consolidated=True, chunks={})
        relief_file = fsspec.filesystem("http").open(f"{self._base}/etopo.nc", block_size=2**20)
        self._relief = xr.open_dataset(relief_file, engine="h5netcdf")["relief"]

    def _climatology(self) -> None:
        # Stays on the workers, where the anomalies need it.
        self._normal = self._temperature.groupby("time.month").mean("time", skipna=False).persist()
        self._keep("normal", self._normal)

    def _anomalies(self) -> None:
        anomaly = self._anomaly(self._temperature)
        weights = np.cos(np.deg2rad(self._temperature["latitude"]))
        globe = anomaly.mean("longitude", skipna=False).dot(weights) / weights.sum()
        variance = (anomaly**2).mean("time", skipna=False)
        globe, variance = dask.compute(globe, variance)
        self._keep("global anomaly", globe)
        self._keep("spread", np.sqrt(variance))

    def _anomaly(self, temperature: xr.DataArray) -> xr.DataArray:
        return temperature.groupby("time.month") - self._normal

    def _series(self) -> None:
        latitudes, longitudes = (xr.DataArray(list(one), dims="point") for one in zip(*POINTS.values(), strict=True))
        series = self._temperature.sel(latitude=latitudes, longitude=longitudes, method="nearest")
        self._keep("series", series.compute())

    def _map(self) -> None:
        month = self._temperature.sel(time=MAP_MONTH)
        self._keep("map", self._anomaly(month).mean("time", skipna=False).compute())
        self._keep("relief", self._relief)

    def _ocean(self) -> None:
        self._keep("sst season", self._coads["SST"].mean("longitude").compute())
        self._keep("ocean section", self._levitus["TEMP"].mean("longitude").compute())

    def _keep(self, name: str, answer: xr.DataArray) -> None:
        self.answers[name] = np.ascontiguousarray(answer.values)


def digest(answer: np.ndarray) -> str:
    """Equal for two answers only if they are equal bit by bit."""
    return hashlib.sha256(f"{answer.dtype.str} {answer.shape} ".encode() + answer.tobytes()).hexdigest()


def main(base_url: str, target: Path) -> None:
    """Runs the analysis on a Dask cluster of its own and writes its results."""
    target.mkdir(parents=True, exist_ok=True)
    settings = {f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in ALLOCATOR.items()}
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=WORKERS,
            threads_per_worker=THREADS_PER_WORKER,
            dashboard_address=None,
            silence_logs=50,
            local_directory=target,
        ) as cluster,
        Client(cluster),
    ):
        analysis = Analysis(base_url)
        analysis.run()
    np.savez(target / "answers.npz", **analysis.answers)
    report = {
        "seconds": analysis.seconds,
        "digests": {name: digest(answer) for name, answer in analysis.answers.items()},
        "pid": os.getpid(),
    }
    (target / "report.json").write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
