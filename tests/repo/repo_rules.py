"""The rules of the repository, as functions from a tree to a list of complaints.

Each takes the root of a tree, so that its own tests can hand it a tree that breaks it. A complaint is
`path[:line]: what is wrong`; an empty list is a pass.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# A folder of src/ may include from those before it, never from those after it (docs/architecture.md).
LAYERS = (
    "base",
    "net",
    "http",
    "storage",
    "origin",
    "space",
    "cache",
    "site",
    "route",
    "catalog",
    "zarr",
    "compute",
    "front",
    "app",
)

MAX_FILE_LINES = 500  # more is two files
MAX_README_LINES = 60  # of a folder of src/: it is read before the code, or not at all
MAX_COLUMNS = 120

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
COMMENT = re.compile(r"(?:^|\s)//")
# Beast's parser is fed with an Asio buffer: the one type that http/ may name, inside its .cc files.
ASIO = re.compile(r"\bboost/asio\b|\bboost::asio\b|(?<![\w:])asio::")
ASIO_BUFFER = re.compile(r"boost/asio/buffer\.hpp|boost::asio::(?:const_)?buffer\b")
# Spelt in pieces: this file is read by the rule too.
MARKS = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")
SOURCE_NAME = re.compile(r"[a-z0-9_]+\.(cc|h)|CMakeLists\.txt|README\.md")
TEXT_SUFFIXES = {".cc", ".h", ".py", ".md", ".cmake", ".txt", ".json", ".toml", ".ini", ".cfg", ".yml", ".yaml", ".sh"}
# Copied or generated text, and inputs that are odd on purpose.
NOT_OURS = ("LICENSE", "fuzz/corpus/")


def told(found: list[str]) -> str:
    """The complaints as the message of a failed assertion."""
    return "\n".join(["", *found])


def tracked_files(root: Path) -> list[Path]:
    """What git knows of the tree, and what is new in it and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return sorted(Path(name) for name in set(listed.split("\0")) if name and (root / name).is_file())


def is_text(root: Path, name: Path) -> bool:
    if str(name).startswith(NOT_OURS):
        return False
    if name.suffix in TEXT_SUFFIXES or name.name == "Makefile":
        return True
    return not name.suffix and (root / name).read_bytes()[:2] == b"#!"


def source_files(root: Path) -> list[Path]:
    return sorted(path.relative_to(root) for path in (root / "src").rglob("*") if path.suffix in (".cc", ".h"))


def lines_of(root: Path, name: Path) -> Iterator[tuple[int, str]]:
    yield from enumerate((root / name).read_text(encoding="utf-8").split("\n"), start=1)


def layer_complaints(root: Path) -> list[str]:
    """Includes that run against the order of the layers, or that are not written from src/."""
    found = []
    for name in source_files(root):
        layer = name.parts[1]
        if layer not in LAYERS:
            found.append(f"{name}: src/{layer} is not a layer of the design")
            continue
        for number, line in lines_of(root, name):
            match = INCLUDE.match(line)
            if match is None:
                continue
            included = match[1].split("/")[0]
            if included not in LAYERS or "/" not in match[1]:
                found.append(f'{name}:{number}: write "{match[1]}" from src/, as "layer/file.h"')
            elif LAYERS.index(included) > LAYERS.index(layer):
                found.append(f"{name}:{number}: {layer}/ must not know {included}/ ({match[1]})")
    return found


def asio_complaints(root: Path) -> list[str]:
    """Asio outside net/: no type of it leaves that folder."""
    found = []
    for name in source_files(root):
        layer = name.parts[1]
        if layer == "net":
            continue
        for number, line in lines_of(root, name):
            code = line.split("//")[0]
            if layer == "http" and name.suffix == ".cc":
                code = ASIO_BUFFER.sub("", code)
            if ASIO.search(code):
                found.append(f"{name}:{number}: Asio is spoken in src/net/ alone")
    return found


def folder_complaints(root: Path) -> list[str]:
    """Folders of src/ without a README or a CMake target, and READMEs that are too long."""
    found = []
    for folder in sorted(path for path in (root / "src").iterdir() if path.is_dir()):
        name = folder.relative_to(root)
        if not (folder / "CMakeLists.txt").is_file():
            found.append(f"{name}: no CMakeLists.txt")
        readme = folder / "README.md"
        if not readme.is_file():
            found.append(f"{name}: no README.md")
            continue
        lines = readme.read_text(encoding="utf-8").count("\n")
        if lines > MAX_README_LINES:
            found.append(f"{name}/README.md: {lines} lines, at most {MAX_README_LINES}")
    return found


def source_complaints(root: Path) -> list[str]:
    """Names, headers that may be read twice, namespaces opened in headers, comments that are too wide."""
    found = []
    for name in source_files(root):
        if not SOURCE_NAME.fullmatch(name.name):
            found.append(f"{name}: file names are snake_case")
        text = (root / name).read_text(encoding="utf-8")
        if name.suffix == ".h" and "#pragma once" not in text:
            found.append(f"{name}: no #pragma once")
        for number, line in lines_of(root, name):
            if name.suffix == ".h" and line.lstrip().startswith("using namespace"):
                found.append(f"{name}:{number}: a header opens a namespace for everyone")
            # clang-format breaks code, as far as long texts in quotes let it; comments are left to their authors.
            if len(line) > MAX_COLUMNS and COMMENT.search(STRING.sub('""', line)):
                found.append(f"{name}:{number}: {len(line)} columns, at most {MAX_COLUMNS}")
    return found


def text_complaints(root: Path, names: list[Path]) -> list[str]:
    """Length, white space, line ends, and marks of unfinished work."""
    found = []
    for name in names:
        if not is_text(root, name):
            continue
        text = (root / name).read_bytes().decode("utf-8", errors="replace")
        lines = text.count("\n")
        if lines > MAX_FILE_LINES:
            found.append(f"{name}: {lines} lines, at most {MAX_FILE_LINES}: would it read better as two?")
        if text and not text.endswith("\n"):
            found.append(f"{name}: no newline at the end")
        if "\ufffd" in text:
            found.append(f"{name}: not UTF-8")
        for number, line in enumerate(text.split("\n"), start=1):
            if "\t" in line and name.name != "Makefile":
                found.append(f"{name}:{number}: a tab")
            if line != line.rstrip():
                found.append(f"{name}:{number}: white space at the end")
            if MARKS.search(line):
                found.append(f"{name}:{number}: a mark of unfinished work")
    return found


def anchors_of(page: Path) -> set[str]:
    """What `#...` behind the page's name may say: its headings, as forges write them."""
    headings = [line.lstrip("#") for line in page.read_text(encoding="utf-8").split("\n") if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def link_complaints(root: Path, names: list[Path]) -> list[str]:
    """Relative links of the documents that lead nowhere."""
    found = []
    link = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
    for name in names:
        if name.suffix != ".md":
            continue
        for number, line in lines_of(root, name):
            for target in link.findall(line):
                path, _, anchor = target.partition("#")
                page = root / name.parent / path if path else root / name
                if "://" in target:
                    continue
                if not page.exists() or (anchor and page.suffix == ".md" and anchor not in anchors_of(page)):
                    found.append(f"{name}:{number}: {target} is not there")
    return found
