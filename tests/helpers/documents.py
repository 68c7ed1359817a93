"""The commands that the README shows, for the tests that run them."""

from __future__ import annotations

import re

from tests.helpers.paths import ROOT

README = ROOT / "README.md"


def commands() -> list[str]:
    """Every command of the README's shell blocks, continued lines joined, comments removed."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README.read_text(), flags=re.MULTILINE | re.DOTALL)
    joined = "\n".join(blocks).replace("\\\n", " ")
    lines = (re.sub(r"\s+#.*$", "", line).strip() for line in joined.splitlines())
    return [line for line in lines if line]
