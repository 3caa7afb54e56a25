"""What README.md, CONTRIBUTING.md and the benchmarks tell people to type is tested, and what can be typed here is.

The quick start and the guides are run by tests/docs.
"""

import os
import subprocess
from pathlib import Path

import pytest
from documents import CHECKED, RUN, SHOWN, blocks_of, guide_pages
from repo_rules import ROOT

# Every command of the documents, and where it is run: change one, and say here who runs the other.
COVERED = {
    "make demo": "tests/demo, by people and by tools/fresh-check",
    "make test": ".ci/run",
    "make test-unit": ".ci/run, as a part of make test",
    "make bench": "people, on a quiet machine; tests/peers runs a part of it",
    "make bench-parts": "people, on a quiet machine",
    ".venv/bin/python -m bench.floors": "people, on a quiet machine; tests/peers compares what both floors say",
    "make lint": ".ci/run",
    "make build": "tools/fresh-check, as a part of make demo",
    "build/release/forebay config check forebay.toml": "test_the_configuration_of_the_readme_is_valid",
    "build/release/forebay serve --config forebay.toml": "test_serve_has_the_options_of_the_readme",
}
# `make test` names the program, and then it must be there; `make lint` takes the one that was built, if any.
NAMED = os.environ.get("FOREBAY_TEST_NODE_BINARY")
PROGRAM = Path(NAMED or ROOT / "build/release/forebay")

needs_program = pytest.mark.skipif(not NAMED and not PROGRAM.is_file(), reason="the program is not built")


PAGES = ("README.md", "CONTRIBUTING.md", "docs/benchmarks.md", "docs/benchmarks-parts.md")


def fenced(name: str, language: str) -> list[str]:
    return [block.text for block in blocks_of(ROOT, name) if block.language == language]


@pytest.mark.parametrize("name", PAGES)
def test_every_command_is_covered(name):
    commands = [line for block in fenced(name, "sh") for line in block.splitlines() if line]
    assert commands
    assert [command for command in commands if command not in COVERED] == []


def test_no_covered_command_is_forgotten():
    commands = {line for name in PAGES for block in fenced(name, "sh") for line in block.splitlines()}
    assert set(COVERED) <= commands


def test_make_targets_exist():
    for command in COVERED:
        if command.startswith("make "):
            subprocess.run(["make", "-n", *command.split()[1:]], cwd=ROOT, check=True, capture_output=True)


@needs_program
def test_the_configuration_of_the_readme_is_valid(tmp_path):
    (block,) = fenced("README.md", "toml")
    assert len(block.splitlines()) <= 5
    (tmp_path / "forebay.toml").write_text(block)
    done = subprocess.run(
        [PROGRAM, "config", "check", "forebay.toml"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_program
def test_serve_has_the_options_of_the_readme():
    shown = subprocess.run([PROGRAM, "serve", "--help"], check=True, capture_output=True, text=True, timeout=60)
    assert "--config" in shown.stdout


def test_the_python_of_the_readme_compiles():
    (block,) = fenced("README.md", "python")
    compile(block, "README.md", "exec")
    import forebay

    assert callable(forebay.install)


def test_every_page_of_the_documents_is_in_their_index():
    index = (ROOT / "docs/README.md").read_text()
    pages = [page.removeprefix("docs/") for page in guide_pages(ROOT)]
    pages += [page.relative_to(ROOT / "docs").as_posix() for page in sorted((ROOT / "docs").glob("*.md"))]
    pages += [page.relative_to(ROOT / "docs").as_posix() for page in sorted((ROOT / "docs/reference").glob("*.md"))]
    assert len(pages) > 15
    assert [page for page in pages if f"({page})" not in index and page != "README.md"] == []


@pytest.mark.parametrize("page", guide_pages(ROOT))
def test_every_block_is_run_or_checked_or_only_shown(page):
    for block in blocks_of(ROOT, page):
        assert block.language in RUN + CHECKED + SHOWN, f"{block.where}: {block.language or 'no language'}"
        assert not (block.language in SHOWN and block.excuse), f"{block.where}: what is not run needs no excuse"
