"""Where the programs are that the build made."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def build_directory() -> Path:
    """Where the programs are: `build/release`, or that of $FOREBAY_BENCH_BUILD."""
    return Path(os.environ.get("FOREBAY_BENCH_BUILD") or ROOT / "build/release")


def find_program(name: str) -> Path:
    build = build_directory()
    for path in (build / name, build / "bench" / name):
        if os.access(path, os.X_OK):
            return path
    raise SystemExit(f"{name} is missing: tools/build release")
