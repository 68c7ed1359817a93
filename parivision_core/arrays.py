"""Names for the types of arrays that modules hand to each other; their shapes are given where they are used."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Float32s = NDArray[np.float32]
"""What a model takes and answers: features (n, k), offset (n,), probability (n,)."""
Columns = dict[str, Array]
"""Columns by name, each with one row for each shot or request."""
