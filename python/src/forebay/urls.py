"""Where the objects of the world are on a node: pure functions from URLs to addresses.

The open stores of a node hold an object under the path of its kind of store::

    s3://bucket/key                      {node}/s3/bucket/key
    gs://bucket/key                      {node}/gs/bucket/key
    abfs://container@account.../key      {node}/az/account/container/key
    https://host/path?query              {node}/https/host/path?query

Keys are bytes: what a URL of fsspec holds literally is percent-encoded here, once and exactly. An
``https://`` URL is encoded already and stays so.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from yarl import URL

DEFAULT_NODE_URL: Final = "http://127.0.0.1:8080"
NODE_URL_VARIABLE: Final = "FOREBAY_URL"

# Protocol of fsspec -> first segment of the path on the node.
STORES: Final = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gs",
    "gcs": "gs",
    "abfs": "az",
    "abfss": "az",
    "az": "az",
    "https": "https",
    "http": "http",
}
WEB_PROTOCOLS: Final = ("https", "http")

_AZURE_HOST: Final = re.compile(r"^(?P<account>[^.]+)\.(?:dfs|blob)\.core\.windows\.net$", re.IGNORECASE)
_AZURE_ACCOUNT_VARIABLE: Final = "AZURE_STORAGE_ACCOUNT_NAME"

# Query parameters that make a URL a secret: the URL is the permission, and belongs to one person.
_SIGNATURE_PARAMETERS: Final = frozenset(
    {
        "x-amz-signature",
        "x-amz-security-token",
        "x-goog-signature",
        "awsaccesskeyid",
        "googleaccessid",
        "signature",
        "sig",
        "token",
        "access_token",
        "authz",
    }
)


def split_protocol(url: str) -> tuple[str | None, str]:
    """Split ``s3://bucket/key`` into ``("s3", "bucket/key")``; a plain path has no protocol."""
    protocol, separator, rest = url.partition("://")
    if separator and protocol in STORES:
        return protocol, rest
    return None, url


def is_web(url: str) -> bool:
    """Whether the URL is one of HTTP, whose path is percent-encoded already."""
    return url.startswith(("https://", "http://"))


def encode_key(key: str) -> str:
    """Percent-encode the bytes of a key; only ``/`` and the unreserved characters stay.

    ``+`` and ``=`` are allowed in a path, but some stores read ``+`` as a space, so that only the
    encoded form means one thing everywhere.
    """
    return quote(key, safe="/", errors="surrogateescape")


def decode_key(path: str) -> str:
    """Undo :func:`encode_key`, also for keys that are no UTF-8."""
    return unquote(path, errors="surrogateescape")


def map_path(path: str) -> str:
    """Address of a plain path below the root of a node, such as ``era5/store.zarr/.zmetadata``."""
    return "/" + encode_key(path.removeprefix("/"))


def map_url(url: str, account: str | None = None) -> str:
    """Address of an object of the world on a node.

    Parameters
    ----------
    url : str
        An ``s3://``, ``gs://``, ``gcs://``, ``abfs://``, ``az://``, ``https://`` or ``http://`` URL.
    account : str, optional
        The storage account of Azure, where the URL does not name it.

    Returns
    -------
    str
        Path and query below the node's URL, percent-encoded, with a leading ``/``.

    Raises
    ------
    ValueError
        For an unknown protocol, a missing bucket or a missing account.
    """
    protocol, rest = split_protocol(url)
    if protocol is None:
        raise ValueError(f"not a URL that a node can serve: {url!r}")
    if protocol in WEB_PROTOCOLS:
        return _map_web(url)
    if STORES[protocol] == "az":
        place = azure_place(url, account)
        return f"/az/{encode_key(place.account)}/{encode_key(place.path)}"
    if not rest.partition("/")[0]:
        raise ValueError(f"the URL names no bucket: {url!r}")
    return f"/{STORES[protocol]}/{encode_key(rest)}"


def _map_web(url: str) -> str:
    parts = URL(url)
    if not parts.raw_host:
        raise ValueError(f"the URL names no host: {url!r}")
    if parts.user is not None or parts.password is not None:
        raise ValueError("a URL with a user name or password is not for a shared node")
    host = f"[{parts.raw_host}]" if ":" in parts.raw_host else parts.raw_host
    port = "" if parts.is_default_port() else f":{parts.port}"
    query = f"?{parts.raw_query_string}" if parts.raw_query_string else ""
    return f"/{parts.scheme}/{host}{port}{parts.raw_path or '/'}{query}"


@dataclass(frozen=True, slots=True)
class AzurePlace:
    """Account, and container with key, of an object in Azure's blob store."""

    account: str
    path: str


def azure_place(url: str, account: str | None = None) -> AzurePlace:
    """Read the three ways in which URLs name an object of Azure.

    ``abfs://container@account.dfs.core.windows.net/key``,
    ``abfs://account.dfs.core.windows.net/container/key`` and ``az://container/key``, whose account is
    an option or ``AZURE_STORAGE_ACCOUNT_NAME``.
    """
    _, rest = split_protocol(url)
    authority, _, tail = rest.partition("/")
    container, at, host = authority.partition("@")
    match = _AZURE_HOST.match(host if at else authority)
    if match:
        account = match["account"]
        rest = f"{container}/{tail}" if at else tail
    elif at:
        raise ValueError(f"not a host of Azure's blob store: {url!r}")
    account = account or os.environ.get(_AZURE_ACCOUNT_VARIABLE)
    if not account:
        raise ValueError(f"no storage account is known for {url!r}: give account_name")
    if not rest.strip("/"):
        raise ValueError(f"the URL names no container: {url!r}")
    return AzurePlace(account, rest)


def scope_of(url: str) -> str:
    """Return the bucket, container or host of a URL: what a permission or a refusal is about."""
    protocol, rest = split_protocol(url)
    return f"{protocol}://{rest.partition('/')[0].partition('?')[0]}"


def is_signed(url: str) -> bool:
    """Whether an HTTP URL carries a user name, a signature or a token of its own."""
    parts = urlsplit(url)
    if parts.username is not None:
        return True
    return any(name.lower() in _SIGNATURE_PARAMETERS for name, _ in parse_qsl(parts.query))


def is_loopback(host: str | None) -> bool:
    """Whether a host name means the machine that says it."""
    if host is None:
        return False
    return host == "localhost" or host.endswith(".localhost") or host.startswith("127.") or host == "::1"


@lru_cache(maxsize=32)
def normalise_node_url(url: str) -> str:
    """Check the URL of a node and remove what would break joining a path to it.

    Raises
    ------
    ValueError
        When it is no HTTP URL, or has a query or a fragment.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in WEB_PROTOCOLS or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(
            f"the URL of a node is like {DEFAULT_NODE_URL}, without query or fragment, not {url!r}"
        )
    return url.strip().rstrip("/")


_installed_node: list[str | None] = [None]


def set_installed_node(url: str | None) -> None:
    """Set or forget the node that :func:`forebay.install` was given, for this process."""
    _installed_node[0] = None if url is None else normalise_node_url(url)


def chosen_node_url() -> str | None:
    """Return the node that this process was told to use, by ``install()`` or ``FOREBAY_URL``."""
    if _installed_node[0] is not None:
        return _installed_node[0]
    from_environment = os.environ.get(NODE_URL_VARIABLE, "").strip()
    return normalise_node_url(from_environment) if from_environment else None


def current_node_url(explicit: str | None = None) -> str:
    """Return the URL of the node: an option first, then this process' choice, then the default."""
    if explicit:
        return normalise_node_url(explicit)
    return chosen_node_url() or DEFAULT_NODE_URL


def node_url_of(url: str, node: str | None = None, account: str | None = None) -> str:
    """Full HTTP address of an object on a node, for readers that are not fsspec.

    Parameters
    ----------
    url : str
        ``s3://...``, ``gs://...``, ``abfs://...``, ``https://...`` or ``forebay://path``.
    node : str, optional
        URL of the node; else ``install()``, ``FOREBAY_URL`` or the default decides.
    account : str, optional
        Storage account of Azure.

    Examples
    --------
    >>> node_url_of("s3://bucket/a b", node="http://node:8080")
    'http://node:8080/s3/bucket/a%20b'
    """
    protocol, _ = split_protocol(url)
    path = url.removeprefix("forebay://")
    if protocol is None and "://" in path:
        known = ", ".join(f"{name}://" for name in STORES)
        raise ValueError(f"a node reads {known} and forebay://, not {url!r}")
    return current_node_url(node) + (map_path(path) if protocol is None else map_url(url, account))
