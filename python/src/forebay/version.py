"""Which version of an object an answer belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from forebay.errors import VersionChangedError


@dataclass(frozen=True, slots=True)
class Version:
    """Validators and length of an object, as one answer told them.

    Attributes
    ----------
    etag : str, optional
        The ``ETag`` field as it came, with quotes.
    last_modified : str, optional
        The ``Last-Modified`` field as it came.
    length_bytes : int, optional
        Length of the whole object.
    """

    etag: str | None = None
    last_modified: str | None = None
    length_bytes: int | None = None

    @classmethod
    def of_headers(cls, headers: Mapping[str, str], length_bytes: int | None) -> Version:
        """Read the validators of an answer whose whole object has ``length_bytes``."""
        return cls(headers.get("ETag") or None, headers.get("Last-Modified") or None, length_bytes)

    @property
    def strong_etag(self) -> str | None:
        """The ETag, when RFC 9110 §8.8.3 lets ``If-Match`` use it."""
        if self.etag is None or self.etag.startswith("W/"):
            return None
        return self.etag

    @property
    def has_validator(self) -> bool:
        """Whether two answers can be told apart by more than their length."""
        return self.etag is not None or self.last_modified is not None

    @property
    def modified(self) -> datetime | None:
        """``Last-Modified`` as a time."""
        return parse_http_date(self.last_modified)

    def require_same(self, seen: Version, url: str) -> None:
        """Refuse an answer that belongs to another version than this one.

        Raises
        ------
        VersionChangedError
            When ETag, length or (without an ETag on both sides) date differ.
        """
        if self.etag is not None and seen.etag is not None:
            same = self.etag.removeprefix("W/") == seen.etag.removeprefix("W/")
        elif self.last_modified is not None and seen.last_modified is not None:
            same = self.last_modified == seen.last_modified
        else:
            same = True
        if self.length_bytes is not None and seen.length_bytes is not None:
            same = same and self.length_bytes == seen.length_bytes
        if not same:
            raise VersionChangedError(
                f"the object changed while it was being read: {self} became {seen}", url
            )

    def __str__(self) -> str:
        return f"{self.etag or self.last_modified or 'no validator'} of {self.length_bytes} bytes"


def parse_http_date(text: str | None) -> datetime | None:
    """Read a date of HTTP; None when it is missing or no date."""
    if not text:
        return None
    try:
        value = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
