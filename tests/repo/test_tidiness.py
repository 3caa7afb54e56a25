"""The repository is as tidy as its rules say, and each rule can see its own breach."""

import re
import subprocess
from pathlib import Path

import pytest
from repo_rules import (
    MAX_COLUMNS,
    MAX_FILE_LINES,
    MAX_README_LINES,
    ROOT,
    folder_complaints,
    link_complaints,
    source_complaints,
    text_complaints,
    told,
    tracked_files,
)

TARGETS = ("setup", "build", "demo", "test", "check", "bench", "fuzz", "lint", "serve", "clean")


def test_folders_of_src_say_what_they_are():
    found = folder_complaints(ROOT)
    assert not found, told(found)


def test_sources_are_named_and_written_alike():
    found = source_complaints(ROOT)
    assert not found, told(found)


def test_texts_are_clean():
    found = text_complaints(ROOT, tracked_files(ROOT))
    assert not found, told(found)


def test_links_lead_somewhere():
    found = link_complaints(ROOT, tracked_files(ROOT))
    assert not found, told(found)


def test_every_decision_is_in_the_index():
    folder = ROOT / "docs/decisions"
    index = (folder / "README.md").read_text()
    decisions = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert decisions
    assert [name for name in decisions if f"({name})" not in index] == []


def section_packages() -> list[str]:
    text = (ROOT / "tools/debian-packages.txt").read_text()
    return [line for line in text.split("\n") if line and not line.startswith("#")]


REQUIREMENTS = sorted((ROOT / "tools").glob("requirements*.txt"))


def direct_python_packages() -> list[str]:
    """The groups of the lists of requirements that are not "Needed by those."."""
    names, direct = [], False
    for line in "\n".join(path.read_text() for path in REQUIREMENTS).split("\n"):
        if line.startswith("#"):
            direct = not line.startswith("# Needed by those")
        elif direct and line:
            names.append(line.split("==")[0])
    return names


def test_every_dependency_is_explained():
    explained = set(re.findall(r"`([\w.+-]+)`", (ROOT / "docs/dependencies.md").read_text()))
    needed = section_packages() + direct_python_packages()
    assert len(needed) > 40
    assert [name for name in needed if name not in explained] == []


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.stem)
def test_every_python_package_is_pinned_once(path):
    lines = path.read_text().split("\n")
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", pin)] == []
    names = [re.sub(r"[-_.]+", "-", pin.split("==")[0]).lower() for pin in pins]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("target", TARGETS)
def test_make_help_explains_every_target(target):
    shown = subprocess.run(["make", "-s", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert re.search(rf"^  make {target} +\S.+$", shown, re.MULTILINE)


def test_ci_runs_lint_and_test_whole():
    lines = (ROOT / ".ci/run").read_text().split("\n")
    assert "run make lint" in lines
    assert "run make test" in lines


# ---- the rules can fail -------------------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path):
    folder = tmp_path / "src/base"
    folder.mkdir(parents=True)
    (folder / "CMakeLists.txt").write_text("forebay_library(base)\n")
    (folder / "README.md").write_text("# base\n")
    (folder / "units.h").write_text("#pragma once\n")
    return tmp_path


def test_a_tidy_tree_passes(tree):
    names = [path.relative_to(tree) for path in tree.rglob("*") if path.is_file()]
    assert folder_complaints(tree) + source_complaints(tree) + text_complaints(tree, names) == []
    assert link_complaints(tree, names) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a\tb\n", "src/base/a.cc:1: a tab"),
        ("int a; \n", "src/base/a.cc:1: white space at the end"),
        ("int a;\r\n", "src/base/a.cc:1: white space at the end"),
        ("int a;", "src/base/a.cc: no newline at the end"),
        ("// " + "TO" + "DO: more\n", "src/base/a.cc:1: a mark of unfinished work"),
        ("int a;\n" * (MAX_FILE_LINES + 1), f"src/base/a.cc: {MAX_FILE_LINES + 1} lines"),
    ],
)
def test_an_untidy_text_is_seen(tree, text, complaint):
    (tree / "src/base/a.cc").write_bytes(text.encode())
    found = text_complaints(tree, [Path("src/base/a.cc")])
    assert len(found) == 1
    assert found[0].startswith(complaint)


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("Units.cc", "", "src/base/Units.cc: file names are snake_case"),
        ("a.h", "int a;\n", "src/base/a.h: no #pragma once"),
        ("a.h", "#pragma once\nusing namespace std;\n", "src/base/a.h:2: a header opens a namespace"),
        ("a.cc", "/" * (MAX_COLUMNS + 1), f"src/base/a.cc:1: {MAX_COLUMNS + 1} columns"),
    ],
)
def test_an_odd_source_is_seen(tree, name, text, complaint):
    (tree / "src/base" / name).write_text(text)
    found = source_complaints(tree)
    assert len(found) == 1
    assert found[0].startswith(complaint)


def test_a_folder_without_readme_is_seen(tree):
    (tree / "src/base/README.md").unlink()
    assert folder_complaints(tree) == ["src/base: no README.md"]


def test_a_long_readme_is_seen(tree):
    (tree / "src/base/README.md").write_text("line\n" * (MAX_README_LINES + 1))
    assert folder_complaints(tree)[0].startswith(f"src/base/README.md: {MAX_README_LINES + 1} lines")


def test_a_folder_without_target_is_seen(tree):
    (tree / "src/base/CMakeLists.txt").unlink()
    assert folder_complaints(tree) == ["src/base: no CMakeLists.txt"]


def test_a_dead_link_is_seen(tree):
    (tree / "src/base/README.md").write_text("# base\n\n## What, and `why`?\n")
    links = ["src/base/README.md#what-and-why", "gone.md", "src/base/README.md#x", "https://example.org#x"]
    (tree / "a.md").write_text("".join(f"[link]({link})\n" for link in links))
    found = ["a.md:2: gone.md is not there", "a.md:3: src/base/README.md#x is not there"]
    assert link_complaints(tree, [Path("a.md")]) == found
