"""Whether what a node told about an object, and what its origin tells, are about the same version."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from forebay.version import Version, parse_http_date

# HTTP tells time in whole seconds; stores keep fractions.
_DATE_STEP_S: Final = 1.0


def is_same_object(version: Version, info: Mapping[str, Any]) -> bool:
    """Compare a version with the ``info`` of an origin's own filesystem.

    Parameters
    ----------
    version : Version
        As the node told it.
    info : mapping
        As s3fs, gcsfs, adlfs or fsspec's HTTP filesystem describe an object.

    Returns
    -------
    bool
        True only when a validator and the length say so. Nothing to compare is no proof.
    """
    if version.length_bytes is None or info.get("size") != version.length_bytes:
        return False
    tags = _tags_of(info)
    if version.etag is not None and tags:
        return _plain(version.etag) in tags
    changed, known = _date_of(info), version.modified
    if changed is None or known is None:
        return False
    return abs((changed - known).total_seconds()) < _DATE_STEP_S


def _plain(tag: str) -> str:
    return tag.removeprefix("W/").strip('"').lower()


def _tags_of(info: Mapping[str, Any]) -> set[str]:
    tags = {_plain(str(info[key])) for key in ("ETag", "etag") if info.get(key)}
    digest = info.get("md5Hash")  # Google's XML interface, which a node reads, gives it as the ETag
    if isinstance(digest, str):
        try:
            tags.add(base64.b64decode(digest, validate=True).hex())
        except (ValueError, binascii.Error):
            return tags
    return tags


def _date_of(info: Mapping[str, Any]) -> datetime | None:
    for key in ("LastModified", "last_modified", "updated", "mtime", "Last-Modified"):
        value = info.get(key)
        if isinstance(value, str):
            value = parse_http_date(value)
        if isinstance(value, datetime):
            return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return None
