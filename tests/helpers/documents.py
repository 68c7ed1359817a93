"""The pages of the documentation, and the commands that they show, for the tests that check and run them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tests.helpers.paths import ROOT

README = ROOT / "README.md"
PAGES = (README, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md")))


def commands(pages: Sequence[Path] = PAGES) -> list[str]:
    """Every command of the pages' shell blocks, each once: continued lines joined, comments removed.

    A command goes on in the next line after a backslash, and within single quotes.
    """
    found = []
    for page in pages:
        for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL):
            text = re.sub(r"'[^']*'", lambda quoted: re.sub(r"\s*\n\s*", " ", quoted[0]), block.replace("\\\n", " "))
            found += [re.sub(r"\s+#.*$", "", line).strip() for line in text.splitlines()]
    return list(dict.fromkeys(filter(None, found)))


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
