"""Makes the package as good as installed: for this process and for those that it starts.

The entry points come from pyproject.toml, so that the tests see what a wheel would declare, whether or
not the package is installed in the environment that runs them.
"""

from __future__ import annotations

import atexit
import importlib
import os
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def provide_entry_points() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    folder = Path(tempfile.mkdtemp(prefix="forebay-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    metadata = folder / "forebay-0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: forebay\nVersion: 0\n")
    lines = []
    for group, names in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in names.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
    paths = [str(folder), str(ROOT / "src")]
    sys.path[:0] = paths
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([*paths, *([before] if before else [])])
    importlib.invalidate_caches()
    import fsspec

    fsspec.process_entries()  # again, should some plugin of pytest have imported it before
