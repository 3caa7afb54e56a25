"""PROPFIND, and what its answers list."""

from __future__ import annotations

from urllib.parse import unquote
from xml.etree import ElementTree

from .node import Node
from .readers import Reply

DAV = "{DAV:}"


def members(reply: Reply) -> dict[str, dict[str, str]]:
    """The properties of a 207 by decoded path."""
    assert reply.status == 207, reply.body
    found = {}
    for response in ElementTree.fromstring(reply.body).findall(f"{DAV}response"):
        prop = response.find(f"{DAV}propstat/{DAV}prop")
        assert prop is not None
        properties = {child.tag.removeprefix(DAV): child.text or "" for child in prop}
        properties["collection"] = "yes" if prop.find(f"{DAV}resourcetype/{DAV}collection") is not None else ""
        found[unquote(response.findtext(f"{DAV}href") or "")] = properties
    return found


def propfind(node: Node, path: str, depth: str | None, **options: object) -> Reply:
    return node.get(path, method="PROPFIND", headers={"Depth": depth} if depth else {}, **options)
