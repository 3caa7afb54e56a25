"""Where the programs are that the build made."""

from __future__ import annotations

import os
from pathlib import Path

from .processes import LabError

#: The top of the repository.
ROOT = Path(__file__).resolve().parents[3]

#: Names the build directory whose programs are used; the tests and the demonstration differ in their default.
BUILD_VARIABLE = "FOREBAY_BUILD"


def build_directory() -> Path:
    """``$FOREBAY_BUILD``, else ``build/dev``."""
    return ROOT / os.environ.get(BUILD_VARIABLE, "build/dev")


def find_program(name: str) -> Path:
    """The path of ``forebay`` or ``forebay_link`` in the build directory."""
    path = build_directory() / name
    if not os.access(path, os.X_OK):
        raise LabError(f"{path} does not exist: build it first (make build), or name a build with {BUILD_VARIABLE}")
    return path
