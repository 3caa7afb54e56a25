"""What the hosts of the documents hold: small data of the kinds and at the addresses that the pages read."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import xarray as xr
from world import Store, World

ACCESS_KEY = "AKIDEXAMPLE"


def furnish(world: World, directory: Path) -> None:
    """Fills the stores."""
    data = _make_data(directory)
    public = Store()
    public.put_tree("/zarr-v1", data / "sst.zarr")
    world.stores["mur-sst.s3.us-west-2.amazonaws.com"] = public
    world.stores["mur-sst.s3.us-east-1.amazonaws.com"] = Store(region="us-west-2")
    web = Store()
    web.put_tree("/sst", data)
    world.stores["data.example.org"] = world.stores["mirror.example.org"] = web
    private = Store(access_key=ACCESS_KEY)
    private.put_tree("/project/model", data)
    world.stores["s3.example.org"] = private


def lay_out(etc: Path, world: World) -> None:
    """The files of /etc/forebay that the pages' configurations name."""
    (etc / "project.secret").write_text("not-a-secret\n")
    (etc / "group.secret").write_text("not-a-secret-either\n")
    (etc / "signing.key").write_text("not-a-secret-of-32-random-bytes-but-as-long\n")
    (etc / "admin.token").write_text("not-a-token\n")
    (etc / "ca.pem").write_bytes(world.ca_bundle.read_bytes())
    (etc / "cert.pem").write_bytes(world.ca_bundle.read_bytes())
    (etc / "key.pem").write_bytes(world.ca_bundle.with_suffix(".key").read_bytes())


def _make_data(directory: Path) -> Path:
    made = directory / "data"
    made.mkdir()
    rng = np.random.default_rng(3)
    field = rng.normal(290, 5, (4, 60, 120)).astype("float32")
    coords = {
        "time": np.arange("2024-01-01", "2024-01-05", dtype="datetime64[D]").astype("datetime64[ns]"),
        "lat": np.linspace(-59, 59, 60),
        "lon": np.linspace(0, 357, 120),
    }
    dataset = xr.Dataset({"analysed_sst": (("time", "lat", "lon"), field)}, coords=coords)
    dataset.to_zarr(made / "sst.zarr", zarr_format=2, consolidated=True)
    dataset.to_netcdf(made / "2024-01.nc", engine="h5netcdf")
    (made / "field.raw").write_bytes(field[0].tobytes())
    (made / "field.hdr").write_text("ENVI\nsamples = 120\nlines = 60\nbands = 1\ndata type = 4\nbyte order = 0\n")
    subprocess.run(
        ["gdal_translate", "-q", "-of", "GTiff", "-co", "TILED=YES", made / "field.raw", made / "2024-01-01.tif"],
        check=True, capture_output=True,
    )  # fmt: skip
    for name in ("field.raw", "field.hdr"):
        (made / name).unlink()
    return made
