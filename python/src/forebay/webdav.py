"""Listings: the answer of PROPFIND (RFC 4918 §14.16), read without DTDs or entities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit
from xml.parsers import expat

from forebay.urls import decode_key

# What a listing is asked for; a node need not answer more.
PROPFIND_BODY: Final = (
    b'<?xml version="1.0" encoding="utf-8"?>'
    b'<D:propfind xmlns:D="DAV:"><D:prop><D:resourcetype/><D:getcontentlength/>'
    b"<D:getlastmodified/><D:getetag/></D:prop></D:propfind>"
)

# What a node writes where the origin tells no time: some clients cannot read an entry without one.
_UNKNOWN_DATE: Final = "Thu, 01 Jan 1970 00:00:00 GMT"

_DAV: Final = "DAV: "  # expat joins namespace and name with our separator, a space


@dataclass(slots=True)
class Entry:
    """One member of a listing.

    Attributes
    ----------
    path : str
        Decoded path on the node, without a trailing slash.
    is_collection : bool
        Whether it is a directory or prefix.
    size_bytes : int, optional
        Length of an object.
    etag, last_modified : str, optional
        Validators as they came.
    """

    path: str = ""
    is_collection: bool = False
    size_bytes: int | None = None
    etag: str | None = None
    last_modified: str | None = None


class _Reader:
    """Builds entries from the events of the XML parser."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.seen_root = False
        self._entry: Entry | None = None
        self._text: list[str] = []

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        self._text = []
        if not self.seen_root:
            if name != _DAV + "multistatus":
                raise ValueError(f"a listing begins with multistatus, not {name!r}")
            self.seen_root = True
        elif name == _DAV + "response":
            self._entry = Entry()
        elif name == _DAV + "collection" and self._entry is not None:
            self._entry.is_collection = True

    def text(self, data: str) -> None:
        self._text.append(data)

    def end(self, name: str) -> None:
        value = "".join(self._text).strip()
        self._text = []
        entry = self._entry
        if entry is None:
            return
        if name == _DAV + "href":
            path = decode_key(urlsplit(value).path)
            entry.is_collection = entry.is_collection or path.endswith("/")
            entry.path = path.rstrip("/")
        elif name == _DAV + "getcontentlength" and value.isdigit():
            entry.size_bytes = int(value)
        elif name == _DAV + "getlastmodified":
            entry.last_modified = None if value in ("", _UNKNOWN_DATE) else value
        elif name == _DAV + "getetag":
            entry.etag = value or None
        elif name == _DAV + "response":
            self.entries.append(entry)
            self._entry = None


def _refuse_doctype(*_: object) -> None:
    raise ValueError("a listing has no document type")


def parse_multistatus(body: bytes) -> list[Entry]:
    """Read the entries of a 207 answer, the collection itself among them.

    Raises
    ------
    ValueError
        When the body is no well-formed multistatus, or declares a document type.
    """
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise ValueError(f"the listing is no XML: {error}") from error
    return reader.entries


def may_be_index(address: str, content_type: str | None) -> bool:
    """Whether an object may be a web server's page about a directory."""
    if not (content_type or "").lower().startswith("text/html") or "?" in address:
        return False
    return not address.lower().endswith((".html", ".htm", ".xhtml"))


def as_collection(address: str) -> str:
    """Address of a collection: with a slash at the end of the path."""
    path, mark, query = address.partition("?")
    return path.rstrip("/") + "/" + mark + query
