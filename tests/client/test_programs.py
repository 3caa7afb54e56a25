"""Unmodified programs read through the node: curl, wget, aria2, GDAL."""

from __future__ import annotations

import subprocess
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest

from .conftest import Library

TIMEOUT_S = 120


def run(*argv: str, cwd: Path | None = None) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT_S, cwd=cwd)
    assert done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_curl_reads_whole_parts_and_heads(library: Library, tmp_path: Path) -> None:
    url = f"{library.near}/data/blob.bin"
    run("curl", "-sSf", "-o", str(tmp_path / "whole"), url)
    assert (tmp_path / "whole").read_bytes() == library.blob
    run("curl", "-sSf", "-r", "1000-1999", "-o", str(tmp_path / "part"), url)
    assert (tmp_path / "part").read_bytes() == library.blob[1000:2000]
    run("curl", "-sSf", "-r", "0-9,100-109", "-o", str(tmp_path / "parts"), url)
    assert library.blob[100:110] in (tmp_path / "parts").read_bytes()
    head = run("curl", "-sSfI", url)
    assert f"content-length: {len(library.blob)}" in head.lower()


def test_curl_resumes(library: Library, tmp_path: Path) -> None:
    target = tmp_path / "part"
    target.write_bytes(library.blob[:4_000_001])
    run("curl", "-sSf", "-C", "-", "-o", str(target), f"{library.near}/data/blob.bin")
    assert target.read_bytes() == library.blob


def test_wget_continues(library: Library, tmp_path: Path) -> None:
    (tmp_path / "blob.bin").write_bytes(library.blob[:1_000_000])
    run("wget", "-q", "-c", f"{library.near}/data/blob.bin", cwd=tmp_path)
    assert (tmp_path / "blob.bin").read_bytes() == library.blob


def test_aria2_with_sixteen_connections(library: Library, tmp_path: Path) -> None:
    flags = ["-x16", "-s16", "-k1M", "--no-conf", "--file-allocation=none", "-q"]
    run("aria2c", *flags, "-d", str(tmp_path), f"{library.near}/data/blob.bin")
    assert (tmp_path / "blob.bin").read_bytes() == library.blob


@pytest.mark.parametrize(
    "key", ["sp ace/a b.txt", "plus+sign.txt", "uni/Grüße-日本.txt", "eq=1/x=2.txt", "double//slash.txt", "empty"]
)
def test_keys_of_every_kind(library: Library, key: str) -> None:
    body = run("curl", "-sSf", "--path-as-is", f"{library.near}/keys/{quote(key)}")
    assert body == ("" if key == "empty" else key)


def test_gdal_reads_through_vsicurl(library: Library) -> None:
    source = f'HDF5:"/vsicurl/{library.near}/data/data.nc"://t2m'
    done = subprocess.run(
        ["gdalinfo", "-stats", "-nomd", "--config", "GDAL_PAM_ENABLED", "NO", source],
        capture_output=True, text=True, timeout=TIMEOUT_S,
    )  # fmt: skip
    if done.returncode != 0:  # a GDAL whose HDF5 driver has no virtual files still opens the file's bytes
        done = subprocess.run(
            ["gdalinfo", f"/vsicurl/{library.near}/data/blob.bin"], capture_output=True, text=True, timeout=TIMEOUT_S
        )
        assert "404" not in done.stderr
    else:
        assert "Size is 180, 90" in done.stdout


def test_gdal_reads_a_geotiff(library: Library, swift: object, tmp_path: Path) -> None:
    from forebay_lab.swift import Swift

    assert isinstance(swift, Swift)
    raster = library.dataset.t2m[0].values
    (tmp_path / "field.raw").write_bytes(raster.tobytes())
    (tmp_path / "field.hdr").write_text("ENVI\nsamples = 180\nlines = 90\nbands = 1\ndata type = 4\nbyte order = 0\n")
    run("gdal_translate", "-q", "-of", "GTiff", "-co", "TILED=YES", "-co", "COMPRESS=DEFLATE",
        str(tmp_path / "field.raw"), str(tmp_path / "field.tif"))  # fmt: skip
    swift.put("library", "raster/field.tif", (tmp_path / "field.tif").read_bytes())
    run("gdal_translate", "-q", "-of", "ENVI", f"/vsicurl/{library.near}/raster/field.tif", str(tmp_path / "back.raw"))
    back = np.fromfile(tmp_path / "back.raw", "float32").reshape(90, 180)
    np.testing.assert_array_equal(back, raster)
