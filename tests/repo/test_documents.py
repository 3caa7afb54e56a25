"""Blocks of a page are found with their excuses, and an excuse without a reason is none."""

from pathlib import Path

import pytest
from documents import blocks_of

PAGE = """# A page

```sh
one
two
```

<!-- not run: it takes a day -->
```sh
three
```

<!-- not run: -->
```toml
# four
```

<!-- not run: the paragraph between is in the way -->
A paragraph.

```python
five
```
"""


def test_blocks_are_found_with_their_excuses(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(PAGE)
    found = [(block.where, block.language, block.text, block.excuse) for block in blocks_of(tmp_path, "a.md")]
    assert found == [
        ("a.md:3", "sh", "one\ntwo\n", None),
        ("a.md:9", "sh", "three\n", "it takes a day"),
        ("a.md:14", "toml", "# four\n", None),
        ("a.md:21", "python", "five\n", None),
    ]


def test_a_fence_that_is_not_closed_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("```sh\none\n")
    with pytest.raises(ValueError, match=r"a\.md:1"):
        blocks_of(tmp_path, "a.md")
