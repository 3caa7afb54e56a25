"""Where the programs are that the build made."""

from __future__ import annotations

import os
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
