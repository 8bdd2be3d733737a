"""Co-teaching of two linear probes.

References
----------
Han et al., Co-teaching: Robust Training of Deep Neural Networks with Extremely Noisy Labels,
NeurIPS 2018.
"""

import math
from typing import Literal

import numpy as np

from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.learning.audited import AuditedClassifier
from wann_core.errors import WannError
from wann_core.methods.probes.softmax import softmax_probabilities
from wann_core.parallel import blas
from wann_core.typing import Array

# As published: Adam at 1e-3, batches of 128, the share to forget grows over 10 epochs.
_RATE, _BATCH, _GROWING = 1e-3, 128, 10
# Few rows make few steps an epoch: before anything is learned, the smallest losses are chance.
_GROWING_SHARE = 0.1
# The rate falls to 0, and Adam's momentum is 0.1, after this share of the epochs (80 of 200).
_FALLING_FROM, _BETA1_LATE = 0.4, 0.1
_BETA2, _EPSILON = 0.999, 1e-8
# Linear probes on frozen embeddings need fewer than the 200 epochs of networks.
_EPOCHS, _STEPS = 50, 4000


class CoTeachingClassifier(AuditedClassifier):
    """Co-teaching: two linear probes, each trained on the rows with small loss for the other.

    Of every batch each probe takes the share 1 - τ(T) of smallest cross-entropy, and the other one
    makes its step on these. τ(T) grows from 0 to the forget rate over the first 10 epochs, or over
    a tenth of them where these are more. Both see the same batches and differ by their first
    weights. The answer is the mean of their probabilities.

    Parameters
    ----------
    forget_rate : {'auto'} or float
        τ, the share of wrong labels, from 0 to below 1. 'auto' takes the estimate of an audit of
        the training rows without a probe.
    random_state : int
        Seeds first weights and batches.

    Attributes
    ----------
    classes_ : ndarray of shape (C,)
    forget_rate_ : float
        The one that was taken.
    epochs_ : int
        50, or as many as make 4,000 steps where rows are few.
    coefficients_ : ndarray of shape (2, d + 1, C), float32
        Of both probes; the last line is the intercept.

    Notes
    -----
    From the paper: small-loss selection with exchange, the schedule of τ over 10 epochs with
    exponent 1, Adam at 1e-3 whose rate falls to 0 over the last 60 % of the epochs with a momentum
    of 0.1, batches of 128. Not from it: linear probes, their number of epochs, the longer growth of
    τ where few rows make many epochs (after 30 steps a probe forgets whole classes), the estimated
    τ (the paper takes it for known), and the mean of both answers (the paper reports each).

    Examples
    --------
    >>> X = np.concatenate([np.zeros((30, 2)), np.ones((30, 2))]) + np.arange(60)[:, None] / 500
    >>> y = np.repeat(["a", "b"], 30)
    >>> y[3] = "b"
    >>> CoTeachingClassifier().fit(X, y).predict([[0.01, 0.01]]).tolist()
    ['a']
    """

    coefficients_: Array

    def __init__(
        self, forget_rate: float | Literal["auto"] = "auto", random_state: int = 0
    ) -> None:
        self.forget_rate, self.random_state = forget_rate, random_state

    def _check_parameters(self) -> None:
        number = isinstance(self.forget_rate, int | float) and 0 <= self.forget_rate < 1
        if self.forget_rate != "auto" and not number:
            raise WannError(
                "`forget_rate` must be 'auto' or a number from 0 to below 1, got "
                f"{self.forget_rate!r}.",
                "forget_rate",
            )

    def _learn(self, X: Array, codes: Array, evidence: Evidence) -> None:
        auto = self.forget_rate == "auto"
        self.forget_rate_ = evidence.noise.rate if auto else float(self.forget_rate)
        self.epochs_ = max(_EPOCHS, math.ceil(_STEPS / math.ceil(len(X) / _BATCH)))
        with blas.bounded(1):
            self.coefficients_ = self._train(X, codes)

    def _train(self, X: Array, codes: Array) -> Array:
        """Coefficients of both probes, (2, d + 1, C)."""
        (n, d), n_classes = X.shape, len(self.classes_)
        rng = np.random.default_rng(self.random_state)
        bound = 1 / math.sqrt(d)
        # Both probes side by side, so that one product serves them.
        adam = _Adam(rng.uniform(-bound, bound, (d + 1, 2 * n_classes)).astype(np.float32))
        growing = max(_GROWING, self.epochs_ * _GROWING_SHARE)
        for epoch in range(self.epochs_):
            kept = 1 - self.forget_rate_ * min((epoch + 1) / growing, 1)
            left = (self.epochs_ - epoch) / self.epochs_ / (1 - _FALLING_FROM)
            if left < 1:
                adam.rate, adam.beta1 = _RATE * left, _BETA1_LATE
            order = rng.permutation(n)
            for start in range(0, n, _BATCH):
                batch = order[start : start + _BATCH]
                x, labels = X[batch], codes[batch]
                odds = (x @ adam.weights[:d] + adam.weights[d]).reshape(-1, 2, n_classes)
                odds -= odds.max(axis=2, keepdims=True)
                np.exp(odds, out=odds)
                odds /= odds.sum(axis=2, keepdims=True)
                places = np.arange(len(batch))
                chosen = small_losses(-odds[places, :, labels].T, kept)
                # The gradient of the mean cross-entropy of what the other probe chose.
                odds[places, :, labels] -= 1
                slope = np.zeros_like(odds)
                for probe in (0, 1):
                    learned = chosen[1 - probe]
                    slope[learned, probe] = odds[learned, probe] / len(learned)
                flat = slope.reshape(len(batch), -1)
                adam.step(np.concatenate([x.T @ flat, flat.sum(axis=0)[None]]))
        return np.asarray(adam.weights.reshape(d + 1, 2, n_classes).transpose(1, 0, 2))

    def _probabilities(self, X: Array) -> Array:
        both = [softmax_probabilities(X, one) for one in self.coefficients_]
        return np.asarray(np.mean(both, axis=0))


def small_losses(losses: Array, share: float) -> Array:
    """Positions of the share of smallest losses in each line, at least one; (2, B) to (2, k)."""
    return np.argsort(losses, axis=1, kind="stable")[:, : max(1, int(share * losses.shape[1]))]


class _Adam:
    """Adam (Kingma and Ba, ICLR 2015) on one table, whose rate and momentum may change."""

    def __init__(self, weights: Array) -> None:
        self.weights, self.rate, self.beta1 = weights, _RATE, 0.9
        self._mean, self._square = np.zeros_like(weights), np.zeros_like(weights)
        self._left1 = self._left2 = 1.0

    def step(self, gradient: Array) -> None:
        """One step down the gradient."""
        self._left1 *= self.beta1
        self._left2 *= _BETA2
        self._mean += (1 - self.beta1) * (gradient - self._mean)
        self._square += (1 - _BETA2) * (gradient * gradient - self._square)
        scale = np.sqrt(self._square / (1 - self._left2)) + _EPSILON
        self.weights -= self.rate / (1 - self._left1) * self._mean / scale
