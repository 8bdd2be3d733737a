"""The user's own transition matrix: read, kept in a scenario, and checked."""

import numpy as np
import numpy.typing as npt

from wann_core.errors import WannError
from wann_core.typing import Array


def check_matrix(matrix: npt.ArrayLike | None, n_classes: int) -> Array:
    """The user's transition matrix as float64, or `WannError` saying what is wrong with it."""
    name = "transition_matrix"
    if matrix is None:
        raise WannError(f"noise pattern 'matrix' needs a `{name}`.", name)
    try:
        T = np.asarray(matrix, np.float64)
    except (TypeError, ValueError) as error:
        raise WannError(f"`{name}` must hold numbers only, {n_classes} a row.", name) from error
    if T.shape != (n_classes, n_classes):
        raise WannError(
            f"`{name}` must be {n_classes} × {n_classes} (clean class × given label), "
            f"got {' × '.join(map(str, T.shape))}.",
            name,
        )
    if not np.isfinite(T).all() or T.min() < 0 or T.max() > 1:
        raise WannError(f"`{name}` must hold probabilities between 0 and 1.", name)
    sums = T.sum(axis=1)
    if not np.allclose(sums, 1, atol=1e-6):
        worst = int(np.abs(sums - 1).argmax())
        raise WannError(
            f"each row of `{name}` must sum to 1; row {worst} sums to {sums[worst]:.6g}.", name
        )
    return T


def matrix_rows(matrix: npt.ArrayLike) -> tuple[tuple[float, ...], ...]:
    """A matrix as nested tuples, so that a frozen, hashable scenario can hold it.

    Raises
    ------
    WannError
        If it is not a table of numbers.
    """
    name = "transition_matrix"
    try:
        table = np.asarray(matrix, np.float64)
    except (TypeError, ValueError) as error:
        raise WannError(f"`{name}` must be a table of numbers.", name) from error
    if table.ndim != 2:
        raise WannError(f"`{name}` must be a table of rows and columns.", name)
    return tuple(tuple(row) for row in table.tolist())


def parse_matrix(text: str) -> tuple[tuple[float, ...], ...]:
    """A matrix from CSV text: numbers separated by commas, a line a row, no heading.

    Raises
    ------
    WannError
        If it is not a table of numbers.

    Examples
    --------
    >>> parse_matrix("0.9,0.1\\n0,1")
    ((0.9, 0.1), (0.0, 1.0))
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise WannError("`transition_matrix` is empty.", "transition_matrix")
    try:
        return matrix_rows(np.loadtxt(lines, delimiter=",", ndmin=2))
    except WannError:
        raise
    except ValueError as error:
        raise WannError(
            f"`transition_matrix` cannot be read: {error}.", "transition_matrix"
        ) from error
