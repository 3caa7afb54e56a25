"""Which reads may go through a node: pure decisions about URLs and options of fsspec.

A node reads public data, or what its operator gave it credentials for. It cannot know the credentials or
the endpoint that a caller passes; such reads are the business of the origin's own filesystem. So is
every option that this module does not know.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from forebay.urls import WEB_PROTOCOLS, is_loopback, is_signed, is_web

# Options of any filesystem that say nothing about where the data is or who may read it.
_HARMLESS: Final = frozenset(
    {
        "asynchronous",
        "loop",
        "batch_size",
        "skip_instance_cache",
        "use_listings_cache",
        "listings_expiry_time",
        "max_paths",
        "block_size",
        "cache_type",
        "cache_options",
        "forebay_node",
    }
)

# Options of each kind of store that do not matter to a read through a node.
_HARMLESS_OF: Final[Mapping[str, frozenset[str]]] = {
    "s3": frozenset(
        {
            "anon",
            "default_block_size",
            "default_fill_cache",
            "default_cache_type",
            "cache_regions",
            "max_concurrency",
            "fixed_upload_size",
            "local_expiry_check",
            "use_ssl",
        }
    ),
    "gs": frozenset(
        {
            "project",
            "access",
            "consistency",
            "cache_timeout",
            "check_connection",
            "requests_timeout",
            "timeout",
            "secure_serialize",
            "default_location",
        }
    ),
    "az": frozenset(
        {
            "account_name",
            "anon",
            "blocksize",
            "default_fill_cache",
            "default_cache_type",
            "location_mode",
            "max_concurrency",
            "assume_container_exists",
            "timeout",
            "connection_timeout",
            "read_timeout",
        }
    ),
    "web": frozenset({"simple_links", "same_scheme", "size_policy", "encoded"}),
}

# Variables by which the origin's own filesystem would be sent to another endpoint.
_ENDPOINT_VARIABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "s3": ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"),
    "gs": ("STORAGE_EMULATOR_HOST",),
    "az": (),
    "web": (),
}


def why_direct(store: str, options: Mapping[str, Any]) -> str | None:
    """Return why a filesystem with these options is not for a node; None when it is.

    Parameters
    ----------
    store : str
        ``"s3"``, ``"gs"``, ``"az"`` or ``"web"``.
    options : mapping
        Options of the origin's own filesystem.

    Returns
    -------
    str or None
        A reason that never contains a value of an option: values are secrets.
    """
    for variable in _ENDPOINT_VARIABLES[store]:
        if os.environ.get(variable):
            return f"{variable} names an endpoint of its own"
    for name, value in options.items():
        if name in _HARMLESS or name in _HARMLESS_OF[store] or value is None or value is False:
            continue
        if store == "s3" and _is_plain_s3(name, value):
            continue
        if store == "gs" and name == "token" and value == "anon":
            continue
        if value == {}:
            continue
        return f"the option {name!r} is for the origin"
    return None


def _is_plain_s3(name: str, value: Any) -> bool:
    """Whether an option of s3fs only spells out what a node finds by itself."""
    if name == "endpoint_url":
        host = urlsplit(str(value)).hostname or ""
        return host == "s3.amazonaws.com" or (
            host.startswith("s3.") and host.endswith(".amazonaws.com") and host.count(".") == 3
        )
    if name == "client_kwargs" and isinstance(value, Mapping):
        return all(
            key == "region_name" or (key == "endpoint_url" and _is_plain_s3(key, inner))
            for key, inner in value.items()
        )
    if name == "config_kwargs" and isinstance(value, Mapping):
        # Timeouts and retries of botocore; a signature or an addressing style would matter.
        return all(key.endswith("_timeout") or key in ("retries", "max_pool_connections") for key in value)
    return False


def why_url_direct(url: str, node: str) -> str | None:
    """Return why this URL is not for a node; None when it is.

    Parameters
    ----------
    url : str
        Full URL with its protocol.
    node : str
        URL of the node.
    """
    if not is_web(url):
        return None
    parts, at_node = urlsplit(url), urlsplit(node)
    if is_signed(url):
        return "the URL carries a permission of its own"
    if (parts.hostname, _port_of(parts.scheme, parts.port)) == (
        at_node.hostname,
        _port_of(at_node.scheme, at_node.port),
    ):
        return "the URL is the node's own"
    if is_loopback(parts.hostname) and not is_loopback(at_node.hostname):
        return "the host is this machine"
    return None


def _port_of(scheme: str, port: int | None) -> int:
    return port or (443 if scheme == WEB_PROTOCOLS[0] else 80)
