"""Reads metrics as Prometheus does."""

from __future__ import annotations

import re


def values(exposition: str) -> dict[str, float]:
    """Sample with its labels -> value."""
    samples = re.findall(r"^([^#\s]+) (\S+)$", exposition, flags=re.MULTILINE)
    return {name: float(value) for name, value in samples}
