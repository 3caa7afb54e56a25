"""Where the programs are that the build made."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from .processes import LabError

#: The top of the repository.
ROOT = Path(__file__).resolve().parents[3]

#: Names the node's program; what else the build makes lies beside it.
NODE_VARIABLE = "FOREBAY_TEST_NODE_BINARY"


def node_binary() -> Path:
    """``$FOREBAY_TEST_NODE_BINARY``, else the one of ``make test``."""
    return Path(os.environ.get(NODE_VARIABLE) or ROOT / "build/dev/forebay")


def find_program(name: str) -> Path:
    """The path of ``forebay``, ``forebay_link`` or ``forebay_disk_fault.so``."""
    path = node_binary() if name == "forebay" else node_binary().with_name(name)
    if not os.access(path, os.X_OK):
        raise LabError(f"{path} does not exist: build it first (make build), or name a node with {NODE_VARIABLE}")
    return path


def preload(*shims: str) -> str:
    """``LD_PRELOAD`` of a node that is to have these libraries, with or without AddressSanitizer.

    A sanitizer's runtime must come first: its own interceptors call what comes after it, and that is us.
    """
    listed = subprocess.run(["ldd", node_binary()], capture_output=True, text=True, check=True).stdout
    lines = [line.split() for line in listed.splitlines()]
    runtimes = [words[2] for words in lines if len(words) > 2 and words[0].startswith("libasan.")]
    return ":".join([*runtimes, *(str(find_program(shim)) for shim in shims)])
