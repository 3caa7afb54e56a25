"""Read far scientific data through a near Forebay node.

``forebay://`` is an fsspec filesystem of what a node serves; :func:`install` sends the reads of
``s3://``, ``gs://``, ``abfs://`` and ``https://`` URLs through the node without a change of the code
that opens them.

The names below are imported when they are first used: the entry points of this package are loaded
by every process that opens an ``s3://`` URL, and must cost nothing where no node is configured.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forebay.errors import (
        AccessDeniedError,
        BrokenBodyError,
        ForebayError,
        NodeDownWarning,
        NodeUnreachableError,
        NotListableError,
        ObjectNotFoundError,
        ThrottledError,
        UnknownNamespaceError,
        VersionChangedError,
    )
    from forebay.filesystem import ForebayFileSystem
    from forebay.redirect import install, uninstall
    from forebay.urls import node_url_of

__version__ = "0.1.0"

_HOMES = {
    "AccessDeniedError": "forebay.errors",
    "BrokenBodyError": "forebay.errors",
    "ForebayError": "forebay.errors",
    "ForebayFileSystem": "forebay.filesystem",
    "NodeDownWarning": "forebay.errors",
    "NodeUnreachableError": "forebay.errors",
    "NotListableError": "forebay.errors",
    "ObjectNotFoundError": "forebay.errors",
    "ThrottledError": "forebay.errors",
    "UnknownNamespaceError": "forebay.errors",
    "VersionChangedError": "forebay.errors",
    "install": "forebay.redirect",
    "node_url_of": "forebay.urls",
    "uninstall": "forebay.redirect",
}

__all__ = [
    "AccessDeniedError",
    "BrokenBodyError",
    "ForebayError",
    "ForebayFileSystem",
    "NodeDownWarning",
    "NodeUnreachableError",
    "NotListableError",
    "ObjectNotFoundError",
    "ThrottledError",
    "UnknownNamespaceError",
    "VersionChangedError",
    "__version__",
    "install",
    "node_url_of",
    "uninstall",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
