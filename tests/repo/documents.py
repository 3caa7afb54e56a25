"""The documents' fenced blocks: what language they are in, where they stand, and why some are not run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

#: Languages of what tests/docs runs, of what `forebay config check` reads, and of what is only shown.
RUN, CHECKED, SHOWN = ("sh", "python"), ("toml",), ("text", "json", "yaml")

#: On the line before a fence: `<!-- not run: the reason -->`.
_MARKER = re.compile(r"<!-- not run: (\S.*) -->")
_FENCE = re.compile(r"^```(\w*)$")


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: str
    line: int  #: of its opening fence, from 1
    language: str
    text: str
    excuse: str | None  #: why it is not run

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(root: Path, page: str) -> list[Block]:
    """Every fenced block of a page, in order."""
    found, before, inside = [], "", None
    for number, line in enumerate((root / page).read_text(encoding="utf-8").splitlines(), start=1):
        if inside is None:
            if fence := _FENCE.match(line):
                marker = _MARKER.fullmatch(before)
                inside = (number, fence[1], marker[1] if marker else None)
                text: list[str] = []
            elif line:
                before = line
        elif line == "```":
            found.append(Block(page, inside[0], inside[1], "".join(f"{each}\n" for each in text), inside[2]))
            before, inside = "", None
        else:
            text.append(line)
    if inside is not None:
        raise ValueError(f"{page}:{inside[0]}: a fence that is not closed")
    return found


def guide_pages(root: Path) -> list[str]:
    """The pages whose blocks are run: the quick start and the guides."""
    guides = sorted((root / "docs/guides").glob("*.md"))
    return ["docs/quick-start.md", *(str(page.relative_to(root)) for page in guides)]
