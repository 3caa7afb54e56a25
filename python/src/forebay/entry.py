"""What fsspec finds under the entry points ``s3``, ``gs``, ``https``...: a switch, not a filesystem.

fsspec loads an entry point when its protocol is first used in a process. At that moment each name here is

- the origin's own class, untouched, when ``FOREBAY_URL`` is not set, as if this package were not
  installed, and
- the class that reads through the node when it is.

``FOREBAY_FSSPEC=0`` keeps the origin's own classes although ``FOREBAY_URL`` is set.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

from fsspec.registry import known_implementations

# Protocol -> class of the origin, and what fsspec would say when its package is missing.
_ORIGINS = {
    "s3": ("s3fs.S3FileSystem", "Install s3fs to access S3"),
    "s3a": ("s3fs.S3FileSystem", "Install s3fs to access S3"),
    "gs": ("gcsfs.GCSFileSystem", "Please install gcsfs to access Google Storage"),
    "gcs": ("gcsfs.GCSFileSystem", "Please install gcsfs to access Google Storage"),
    "abfs": (
        "adlfs.AzureBlobFileSystem",
        "Install adlfs to access Azure Datalake Gen2 and Azure Blob Storage",
    ),
    "az": (
        "adlfs.AzureBlobFileSystem",
        "Install adlfs to access Azure Datalake Gen2 and Azure Blob Storage",
    ),
    "https": (
        "fsspec.implementations.http.HTTPFileSystem",
        'HTTPFileSystem requires "requests" and "aiohttp" to be installed',
    ),
}


# uninstall() outranks the environment.
_switched_off = [False]


def switch_off(off: bool) -> None:
    """Make the names here the origins' own classes whatever the environment says, or end that."""
    _switched_off[0] = off


def is_switched_off() -> bool:
    """Whether :func:`forebay.uninstall` was the last word."""
    return _switched_off[0]


def is_enabled() -> bool:
    """Whether the environment alone sends fsspec's reads through a node."""
    if _switched_off[0]:
        return False
    return bool(os.environ.get("FOREBAY_URL", "").strip()) and os.environ.get("FOREBAY_FSSPEC") != "0"


def __getattr__(name: str) -> Any:
    if name not in _ORIGINS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if is_enabled():
        from forebay.stores import ROUTED_CLASSES

        return ROUTED_CLASSES[name]
    path, message = _ORIGINS[name]
    known = known_implementations.get(name)
    if known is not None and str(known.get("class", "")).startswith("forebay."):
        known["err"] = message  # what fsspec says should the next line fail
    module, _, attribute = path.rpartition(".")
    return getattr(importlib.import_module(module), attribute)
