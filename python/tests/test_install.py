from __future__ import annotations

import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.http import HTTPFileSystem
from fsspec.registry import _registry

import forebay
from fake_node import NO_NODE, FakeNode
from fake_s3 import FakeS3
from forebay.routed import RoutedFileSystem
from forebay.stores import ROUTED_CLASSES

DATA = bytes(range(256)) * 4000


def test_uninstall_restores_everything(node: FakeNode, s3: type[FakeS3]) -> None:
    fsspec.register_implementation("s3", s3, clobber=True)
    before = {name: fsspec.get_filesystem_class(name) for name in ("s3", "https", "http")}
    s3.objects["bucket/a"] = b"far"
    node.put("s3/bucket/a", b"near")
    forebay.install(node.url)
    assert fsspec.get_filesystem_class("http") is before["http"], "plain HTTP was not asked for"
    assert fsspec.get_filesystem_class("https") is not before["https"]
    fs = fsspec.filesystem("s3")
    assert fs.cat_file("bucket/a") == b"near"
    forebay.uninstall()
    assert {name: fsspec.get_filesystem_class(name) for name in before} == before
    assert fs.cat_file("bucket/a") == b"far", "what is in use goes straight to the origin too"
    forebay.uninstall()


def test_uninstall_outranks_the_environment(
    node: FakeNode, s3: type[FakeS3], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOREBAY_URL", node.url)
    s3.objects["b/k"] = b"far"
    node.put("s3/b/k", b"near")
    monkeypatch.delitem(_registry, "s3", raising=False)
    fs = fsspec.filesystem("s3")
    assert fs.cat_file("b/k") == b"near"
    forebay.uninstall()
    assert fs.cat_file("b/k") == b"far"
    assert fsspec.get_filesystem_class("s3").__module__.startswith("s3fs")


def test_installing_twice_changes_the_node(s3: type[FakeS3]) -> None:
    with FakeNode() as one, FakeNode() as two:
        one.put("s3/b/k", b"1")
        two.put("s3/b/k", b"2")
        forebay.install(one.url)
        fs = fsspec.filesystem("s3")
        assert fs.cat_file("b/k") == b"1"
        forebay.install(two.url)
        assert fs.cat_file("b/k") == b"2"
    forebay.uninstall()
    assert not issubclass(fsspec.get_filesystem_class("s3"), RoutedFileSystem)


def test_a_filesystem_that_somebody_else_put_there_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Mine(HTTPFileSystem):
        pass

    monkeypatch.setitem(_registry, "https", Mine)
    forebay.install(NO_NODE)
    assert fsspec.get_filesystem_class("https") is Mine
    assert "left alone" in caplog.text


def test_the_origins_class_by_another_name_is_no_stranger(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ExtendedGcsFileSystem(FakeS3):
        """The name that gcsfs gives its class since 2026."""

    cls = ROUTED_CLASSES["gs"]
    monkeypatch.setattr(cls, "origin_class", classmethod(lambda _: ExtendedGcsFileSystem))
    monkeypatch.setitem(_registry, "gs", ExtendedGcsFileSystem)
    forebay.install(node.url)
    assert fsspec.get_filesystem_class("gs") is cls
    forebay.uninstall()
    assert fsspec.get_filesystem_class("gs") is ExtendedGcsFileSystem


def test_bad_arguments_of_install() -> None:
    with pytest.raises(ValueError, match="ftp"):
        forebay.install(protocols=["ftp"])
    with pytest.raises(ValueError, match="URL of a node"):
        forebay.install("node:8080")
    assert forebay.install() == "http://127.0.0.1:8080"


def test_a_pickled_filesystem_finds_the_node_where_nothing_is_installed(
    node: FakeNode, s3: type[FakeS3], monkeypatch: pytest.MonkeyPatch
) -> None:
    node.put("s3/bucket/a", DATA)
    forebay.install(node.url)
    fs = fsspec.filesystem("s3", anon=True)
    file = fs.open("bucket/a")
    file.seek(5)
    packed = pickle.dumps((fs, file))
    forebay.uninstall()
    there, again = pickle.loads(packed)
    assert there.cat_file("bucket/a") == DATA
    assert again.read(5) == DATA[5:10]
    assert s3.calls == []


PROGRAM = """
import fsspec, sys
cls = fsspec.get_filesystem_class("s3"), fsspec.get_filesystem_class("https")
print(*(c.__module__.partition(".")[0] for c in cls), "forebay.routed" in sys.modules)
"""


def run(program: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **variables},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_variable_alone_installs_through_the_entry_points() -> None:
    assert run(PROGRAM) == "s3fs fsspec False"
    assert run(PROGRAM, FOREBAY_URL="http://127.0.0.1:1") == "forebay forebay True"
    assert run(PROGRAM, FOREBAY_URL="http://127.0.0.1:1", FOREBAY_FSSPEC="0") == "s3fs fsspec False"
    assert run(PROGRAM, FOREBAY_URL=" ") == "s3fs fsspec False"


def test_a_missing_package_of_the_origin_is_named_as_fsspec_names_it() -> None:
    program = """
import sys, fsspec
sys.modules["s3fs"] = None
try:
    fsspec.filesystem("s3")
except ImportError as error:
    print(error)
"""
    assert run(program) == "Install s3fs to access S3"


def test_an_environment_reads_through_the_node(node: FakeNode) -> None:
    node.put("s3/bucket/a", b"near")
    program = "import fsspec; print(fsspec.open('s3://bucket/a', anon=True).open().read().decode())"
    assert run(program, FOREBAY_URL=node.url) == "near"


def test_the_command_runs_programs_through_the_node(node: FakeNode, tmp_path: Path) -> None:
    node.put("s3/bucket/a", b"near")
    script = tmp_path / "script.py"
    script.write_text(
        "import fsspec, sys, os\n"
        "text = fsspec.open('s3://bucket/a').open().read().decode()\n"
        "print(text, sys.argv[1:], os.environ['FOREBAY_URL'])\n"
    )
    command = [sys.executable, "-m", "forebay", "run", "--node", node.url]
    done = subprocess.run(
        [*command, str(script), "--flag", "x"], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == f"near ['--flag', 'x'] {node.url}"
    module = subprocess.run(
        [*command, "-m", "script", "y"], capture_output=True, text=True, timeout=60, cwd=tmp_path, check=True
    )
    assert module.stdout.strip() == f"near ['y'] {node.url}"
    shown = subprocess.run(
        [sys.executable, "-m", "forebay", "url", "--node", node.url, "s3://b/a b"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert shown.stdout.strip() == f"{node.url}/s3/b/a%20b"


@pytest.mark.parametrize(
    ("program", "complaint"),
    [
        (["missing.py"], "there is no file 'missing.py'"),
        (["-m", "missing"], "there is no module 'missing'"),
        (["-m", "missing.part"], "there is no module 'missing.part'"),
    ],
)
def test_a_program_that_is_not_there_is_said_in_one_line(
    node: FakeNode, tmp_path: Path, program: list[str], complaint: str
) -> None:
    command = [sys.executable, "-m", "forebay", "run", "--node", node.url, *program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"python -m forebay run: {complaint}\n"


def test_a_program_that_fails_to_import_shows_where(node: FakeNode, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import nothing_of_this_name\n")
    command = [sys.executable, "-m", "forebay", "run", "--node", node.url]
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("import script\n")
    for program in (["script.py"], ["-m", "script"], ["-m", "package.part"]):
        done = subprocess.run(
            [*command, *program], capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False
        )
        assert done.returncode == 1
        assert "script.py" in done.stderr
        assert "nothing_of_this_name" in done.stderr


def test_azure_urls(node: FakeNode) -> None:
    node.put("az/acc/container/dir/k", DATA)
    forebay.install(node.url)
    url = "abfs://container@acc.dfs.core.windows.net/dir/k"
    with fsspec.open(url) as file:
        assert file.read() == DATA
    fs, path = fsspec.url_to_fs("az://container/dir", account_name="acc", anon=True)
    assert path == "container/dir"
    assert fs.ls(path, detail=False) == ["container/dir/k"]
    assert fs.cat_file("abfs://container/dir/k") == DATA


def test_azure_without_an_account_is_the_origins_business(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    forebay.install(node.url)
    cls: Any = fsspec.get_filesystem_class("az")
    monkeypatch.setattr(cls, "origin_class", classmethod(lambda _: FakeS3))
    assert isinstance(fsspec.filesystem("az"), FakeS3)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "env")
    node.put("az/env/container/k", DATA)
    assert fsspec.filesystem("az").cat_file("container/k") == DATA


def test_google_urls(node: FakeNode) -> None:
    node.put("gs/bucket/year=2020/k", DATA)
    forebay.install(node.url)
    for protocol in ("gs", "gcs"):
        with fsspec.open(f"{protocol}://bucket/year=2020/k", token="anon") as file:
            assert file.read() == DATA


@pytest.mark.parametrize("url", ["s3://b/k?versionId=1", "gs://b/k#123", "gs://b/k?generation=5"])
def test_versions_in_urls_are_the_origins_business(
    node: FakeNode, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forebay.install(node.url)
    cls: Any = fsspec.get_filesystem_class(url.partition(":")[0])
    monkeypatch.setattr(cls, "origin_class", classmethod(lambda _: FakeS3))
    fs, _ = fsspec.url_to_fs(url)
    assert isinstance(fs, FakeS3)


def test_no_warning_of_asyncio_or_aiohttp(node: FakeNode, s3: type[FakeS3]) -> None:
    node.put("s3/bucket/a", DATA)
    forebay.install(node.url)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fsspec.filesystem("s3").cat_file("bucket/a") == DATA
