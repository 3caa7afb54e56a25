from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from installation import ROOT


def test_the_wheel_is_whole(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="the wheel's build system is not installed here")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "-q",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            tmp_path,
            ROOT,
        ],
        check=True,
        timeout=100,
    )
    (wheel,) = tmp_path.glob("forebay-*-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (entry_points,) = (name for name in names if name.endswith("entry_points.txt"))
        text = archive.read(entry_points).decode()
    sources = {f"forebay/{path.name}" for path in (ROOT / "src/forebay").iterdir() if path.is_file()}
    assert sources <= set(names)
    assert "forebay/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "forebay = forebay.filesystem:ForebayFileSystem" in text
