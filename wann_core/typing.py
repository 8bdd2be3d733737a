"""Types that many signatures share."""

from typing import Any

import numpy.typing as npt

# An array of any element type; docstrings state shape and dtype.
Array = npt.NDArray[Any]
