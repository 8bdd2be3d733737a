"""Value and gradient of one loss on given logits."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from wann_core.errors import WannError, check_installed
from wann_core.methods.probes.losses.registry import loss_parameters, recipe
from wann_core.methods.probes.losses.terms import BatchedLoss
from wann_core.typing import Array


def evaluate_loss(
    name: str,
    logits: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    family: str,
    weight: npt.ArrayLike | None = None,
    bias: npt.ArrayLike | None = None,
    parameters: Mapping[str, float] | None = None,
) -> tuple[float, Array]:
    """Return a loss, averaged over the rows, and its gradient, by the training code.

    Parameters
    ----------
    name : str
        One of `LOSSES`. elr counts as at the first visit of each row.
    logits : array-like of shape (n, C)
    labels : array-like of shape (n,), integer
        Class ids 0 … C - 1.
    family : {'mnist', 'cifar10', 'cifar10_asym', 'cifar100'}
        Whose published parameters.
    weight, bias : array-like, optional
        The layer, for losses with an L1 part; without them that part is 0.
    parameters : mapping, optional
        Values that replace published ones.

    Returns
    -------
    value : float
    gradient : ndarray of shape (n, C), float64
        With respect to the logits. The focal factors of fl, nfl_rce and anl_fl, and the memory of
        elr, are held fixed.

    Raises
    ------
    WannError
        If a name, a parameter or a label is out of range, or shapes do not fit.

    Examples
    --------
    >>> value, gradient = evaluate_loss("ce", [[0.0, 0.0]], [1], family="cifar10")
    >>> round(value, 4), gradient.tolist()
    (0.6931, [[0.5, -0.5]])
    """
    z = np.asarray(logits, np.float64)
    y = np.asarray(labels)
    if z.ndim != 2 or not z.size or not np.isfinite(z).all():
        raise WannError(f"`logits` must be finite, rows × classes, got shape {z.shape}.", "logits")
    n, n_classes = z.shape
    if y.shape != (n,) or y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= n_classes:
        raise WannError(
            f"`labels` must be {n} class ids from 0 to {n_classes - 1}, one a row of `logits`.",
            "labels",
        )
    made = recipe(name, loss_parameters(name, family, parameters).values)
    gradient = np.empty_like(z)
    loss = BatchedLoss([made], n_classes, 1, n, np.float64)
    (values,) = loss(z, y.astype(np.int64), np.arange(n), gradient)
    layer = [np.asarray(part, np.float64) for part in (weight, bias) if part is not None]
    if made.custom is not None:
        check_installed("a loss of one's own", "torch")
        # Imported here: torch takes seconds.
        import torch

        from wann_core.methods.probes.losses.autograd import evaluate

        logits_, given = torch.from_numpy(z), torch.from_numpy(y.astype(np.int64))
        value, slope = evaluate(made.custom, logits_, given)
        return value, np.asarray(slope)
    penalty = made.l1 * sum(float(np.abs(part).sum()) for part in layer)
    return float(values[0]) + penalty, gradient
