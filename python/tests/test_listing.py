from __future__ import annotations

import pytest

import forebay
from fake_node import (
    FakeNode,
    answer_with,
    fail,
    only,
)
from forebay import ForebayFileSystem

DATA = bytes(range(256)) * 40


@pytest.fixture
def tree(node: FakeNode) -> dict[str, bytes]:
    found = {
        "era5/a.nc": b"1",
        "era5/b c.nc": b"22",
        "era5/zarr/.zgroup": b"{}",
        "era5/zarr/t/0.0": b"333",
        "era5/zarr/t/ü=1": b"",
    }
    for name, data in found.items():
        node.put(name, data)
        node.put(f"s3/bucket/{name}", data)
    return found


def test_ls_names_and_details(fs: ForebayFileSystem, node: FakeNode, tree: dict[str, bytes]) -> None:
    assert fs.ls("era5", detail=False) == ["era5/a.nc", "era5/b c.nc", "era5/zarr"]
    infos = {info["name"]: info for info in fs.ls("era5")}
    assert infos["era5/b c.nc"]["size"] == 2
    assert infos["era5/b c.nc"]["type"] == "file"
    assert infos["era5/b c.nc"]["ETag"] == node.objects["era5/b c.nc"].etag
    assert infos["era5/zarr"]["type"] == "directory"
    assert fs.ls("forebay://era5/", detail=False) == fs.ls("era5", detail=False)
    assert fs.ls("s3://bucket/era5", detail=False)[0] == "s3://bucket/era5/a.nc"
    assert fs.ls("era5/a.nc", detail=False) == ["era5/a.nc"]
    assert fs.ls("", detail=False) == ["era5", "s3"]
    with pytest.raises(FileNotFoundError):
        fs.ls("none")


def test_find_glob_walk_du(fs: ForebayFileSystem, tree: dict[str, bytes]) -> None:
    assert fs.find("era5") == sorted(tree)
    assert fs.find("era5", maxdepth=1) == ["era5/a.nc", "era5/b c.nc"]
    assert "era5/zarr/t" in fs.find("era5", withdirs=True)
    assert fs.find("era5/a.nc") == ["era5/a.nc"]
    assert fs.find("none") == []
    assert fs.glob("era5/*.nc") == ["era5/a.nc", "era5/b c.nc"]
    assert fs.glob("era5/**/0.0") == ["era5/zarr/t/0.0"]
    assert fs.glob("s3://bucket/era5/*.nc") == ["s3://bucket/era5/a.nc", "s3://bucket/era5/b c.nc"]
    assert fs.du("era5") == sum(map(len, tree.values()))
    assert [root for root, _, _ in fs.walk("era5")] == ["era5", "era5/zarr", "era5/zarr/t"]


def test_exists_isdir_isfile(fs: ForebayFileSystem, node: FakeNode, tree: dict[str, bytes]) -> None:
    assert fs.exists("era5/a.nc")
    assert fs.exists("era5/zarr")
    assert not fs.exists("era5/none")
    assert fs.isdir("era5/zarr")
    assert not fs.isdir("era5/a.nc")
    assert fs.isfile("era5/a.nc")
    assert not fs.isfile("era5/zarr")
    assert fs.info("era5/zarr") == {"name": "era5/zarr", "size": 0, "type": "directory"}
    assert fs.isdir("")
    node.always("era5/ill", fail(502))
    for question in (fs.exists, fs.isdir, fs.isfile):
        with pytest.raises(OSError, match="502"):
            question("era5/ill")


def test_what_is_no_object_and_cannot_be_listed_is_not_called_absent(
    fs: ForebayFileSystem, node: FakeNode
) -> None:
    node.always("perhaps/a/directory", only("PROPFIND", fail(502)))
    for question in (fs.info, fs.exists, fs.isdir):
        with pytest.raises(OSError, match="502"):
            question("perhaps/a/directory")


def test_a_store_that_cannot_list_still_serves(
    fs: ForebayFileSystem, node: FakeNode, tree: dict[str, bytes]
) -> None:
    node.listing = False
    assert fs.exists("era5/a.nc")
    assert not fs.exists("era5/none")
    with pytest.raises(forebay.NotListableError, match="cannot list"):
        fs.ls("era5")
    with pytest.raises(forebay.NotListableError):
        fs.find("era5")


def test_a_listing_with_a_hole_is_an_error(
    fs: ForebayFileSystem, node: FakeNode, tree: dict[str, bytes]
) -> None:
    node.always("era5/zarr/t", fail(503))
    with pytest.raises(OSError, match="503"):
        fs.find("era5")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><D:multistatus xmlns:D="DAV:">&a;</D:multistatus>',
        b'<D:multistatus xmlns:D="DAV:"><D:response>',
    ],
)
def test_what_is_no_listing_is_an_error(fs: ForebayFileSystem, node: FakeNode, body: bytes) -> None:
    node.always("d", answer_with(207, body))
    with pytest.raises(forebay.BrokenBodyError, match="not a listing"):
        fs.ls("d")


def test_listings_of_other_servers_are_understood(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.always(
        "d",
        answer_with(
            207,
            b"""<?xml version="1.0"?><multistatus xmlns="DAV:">
            <response><href>http://elsewhere:1/d/</href><propstat><prop><resourcetype><collection/>
            </resourcetype></prop></propstat></response>
            <response><href>http://elsewhere:1/d/a%20b%2Bc</href><propstat><prop><getcontentlength>7
            </getcontentlength><resourcetype/></prop></propstat></response>
            <response><href>/d/sub/</href><propstat><prop><getcontentlength>0</getcontentlength>
            </prop></propstat></response>
            <response><href>/d/undated</href><propstat><prop><getlastmodified>
            Thu, 01 Jan 1970 00:00:00 GMT</getlastmodified></prop></propstat></response>
            <response><href>/other/x</href></response></multistatus>""",
        ),
    )
    found = fs.ls("d")
    assert [(i["name"], i["type"], i["size"]) for i in found] == [
        ("d/a b+c", "file", 7),
        ("d/sub", "directory", 0),
        ("d/undated", "file", None),
    ]
    assert found[2]["LastModified"] is None


def test_a_page_about_a_directory_is_a_directory(fs: ForebayFileSystem, node: FakeNode) -> None:
    """Web servers answer a directory's name with a page; the node knows better."""
    page = answer_with(200, b"<a href='x'>x</a>", Content_Type="text/html", ETag='"1"')
    node.put("web/dir/x", b"1")
    node.script("web/dir", page)
    assert fs.info("web/dir")["type"] == "directory"
    node.script("web/page", page)
    assert fs.info("web/page")["type"] == "file"
    node.script("web/page.html", page)
    assert fs.info("web/page.html")["type"] == "file"
    assert node.count("PROPFIND", "web/page.html") == 0


def test_times_and_keys_of_versions(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.put("x", DATA)
    assert fs.modified("x").timestamp() == 1_700_000_000
    first = fs.ukey("x")
    assert first == fs.ukey("x")
    node.put("x", DATA + b"1")
    assert fs.ukey("x") != first
    assert isinstance(fs.checksum("x"), int)
