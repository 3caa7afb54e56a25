"""``install`` and ``uninstall``: fsspec's protocols through the node, and back."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Final

from fsspec.registry import _registry, known_implementations, register_implementation

from forebay.entry import switch_off
from forebay.health import health
from forebay.routed import RoutedFileSystem
from forebay.scopes import logger, scopes
from forebay.stores import ROUTED_CLASSES
from forebay.urls import current_node_url, set_installed_node

DEFAULT_PROTOCOLS: Final = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "https")

_lock = threading.Lock()
_replaced: dict[str, Any] = {}


def install(node: str | None = None, protocols: Sequence[str] = DEFAULT_PROTOCOLS) -> str:
    """Send the reads of these protocols through a node, in this process.

    URLs that fsspec opens from now on are read through the node: by xarray, zarr, pandas, Dask, kerchunk
    and everything else above fsspec. Writes, and reads with credentials or an endpoint of their own, go
    where they always went. While the node is down, so does everything, with one
    :class:`~forebay.NodeDownWarning`.

    Parameters
    ----------
    node : str, optional
        URL of the node. Without it ``FOREBAY_URL``, then ``http://127.0.0.1:8080``.
    protocols : sequence of str
        Which protocols; ``"http"`` can be added where the node serves plain HTTP hosts.

    Returns
    -------
    str
        URL of the node in use.

    Examples
    --------
    >>> import forebay
    >>> forebay.install("http://node.example.org:8080")  # doctest: +SKIP
    'http://node.example.org:8080'

    Workers of Dask are processes of their own: ``client.run(forebay.install)``, or start them with
    ``FOREBAY_URL`` in their environment.
    """
    unknown = [name for name in protocols if name not in ROUTED_CLASSES]
    if unknown:
        raise ValueError(f"protocols that a node can serve are {', '.join(ROUTED_CLASSES)}; not {unknown}")
    url = current_node_url(node)
    with _lock:
        set_installed_node(url)
        switch_off(False)
        for name in protocols:
            if _is_foreign(name):
                logger.warning("%s:// was given another filesystem before; it is left alone", name)
                continue
            _replaced.setdefault(name, _registry.get(name))
            register_implementation(name, ROUTED_CLASSES[name], clobber=True)
    return url


def uninstall() -> None:
    """Give all protocols back to their origins' own filesystems.

    Filesystems that are in use already read straight from their origins from now on, whatever
    ``FOREBAY_URL`` says.
    """
    with _lock:
        set_installed_node(None)
        switch_off(True)
        for name in ROUTED_CLASSES:
            previous = _replaced.pop(name, None)
            if not _is_routed(_registry.get(name)):
                continue
            if previous is None or _is_routed(previous):
                del _registry[name]  # fsspec finds the origin's own class when it is needed
            else:
                register_implementation(name, previous, clobber=True)
        scopes.forget()
        health.forget()


def _is_routed(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, RoutedFileSystem)


def _is_foreign(name: str) -> bool:
    """Whether somebody else replaced the filesystem of a protocol before us."""
    routed = ROUTED_CLASSES[name]
    cls = _registry.get(name)
    if _is_routed(cls):
        return False
    if cls is not None:
        try:
            return cls is not routed.origin_class()
        except ImportError:
            return True
    path = str(known_implementations.get(name, {}).get("class", ""))
    if not path or path.startswith("forebay."):
        return False
    # "adlfs.AzureBlobFileSystem" and "adlfs.spec.AzureBlobFileSystem" are one class.
    return _package_and_class(path) != _package_and_class(routed.origin_class_path)


def _package_and_class(path: str) -> tuple[str, str]:
    return path.partition(".")[0], path.rpartition(".")[2]
