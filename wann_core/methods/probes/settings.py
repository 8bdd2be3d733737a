"""How a linear probe is trained."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from wann_core.errors import check_number

# Steps an epoch of the published protocol on its largest data sets, for which its rate is made; the
# steps without a better validation accuracy after which nothing is to be expected any more.
_PUBLISHED_STEPS = 390
_PATIENCE_STEPS = 500
_FASTEST_RATE = 0.01
_MOST_PATIENCE = 60
_EPOCHS_A_PATIENCE = 5


@dataclass(frozen=True)
class ProbeSettings:
    """Hyper-parameters of a probe; the defaults are the published ones.

    Attributes
    ----------
    learning_rate : float
        Adam's, divided by 10 after `patience` epochs without a better validation accuracy, down to
        1e-5.
    num_epochs : int
        Upper limit.
    batch_size : int
    patience : int
        Training ends after this many epochs in a row without a better validation accuracy.
    weight_decay : float
        Adam's L2 penalty.
    loss_parameters : tuple of (str, float)
        Parameters of the loss that replace published ones; a mapping is taken too.

    Raises
    ------
    WannError
        If a value is out of range; `field` names it.
    """

    learning_rate: float = 1e-4
    num_epochs: int = 100
    batch_size: int = 128
    patience: int = 5
    weight_decay: float = 0.0
    loss_parameters: tuple[tuple[str, float], ...] | Mapping[str, float] = ()

    def __post_init__(self) -> None:
        pairs = tuple(sorted(dict(self.loss_parameters).items()))
        object.__setattr__(self, "loss_parameters", pairs)
        check_number("learning_rate", self.learning_rate, 1e-8, 10)
        check_number("num_epochs", self.num_epochs, 1, 10_000, whole=True)
        check_number("batch_size", self.batch_size, 1, 1 << 20, whole=True)
        check_number("patience", self.patience, 1, 10_000, whole=True)
        check_number("weight_decay", self.weight_decay, 0, 10)

    @classmethod
    def suited_to(cls, rows: int) -> "ProbeSettings":
        """Settings that learn from this many training rows: counted in steps, not in epochs.

        Few rows make few steps an epoch, so that the published 100 epochs at a rate of 1e-4, with a
        patience of 5, end near their first weights. The rate grows as epochs get shorter, up to
        0.01, and the patience lasts 500 steps or 60 epochs. From about 50,000 rows on these are the
        published settings.

        Examples
        --------
        >>> ProbeSettings.suited_to(1020)
        ProbeSettings(learning_rate=0.0049, num_epochs=300, batch_size=128, patience=60, weight_decay=0.0, loss_parameters=())
        >>> ProbeSettings.suited_to(50_000) == ProbeSettings()
        True
        """  # noqa: E501
        published = cls()
        steps = max(math.ceil(rows / published.batch_size), 1)
        rate = published.learning_rate * max(_PUBLISHED_STEPS / steps, 1)
        patience = min(max(published.patience, math.ceil(_PATIENCE_STEPS / steps)), _MOST_PATIENCE)
        return replace(
            published,
            learning_rate=float(f"{min(rate, _FASTEST_RATE):.2g}"),
            patience=patience,
            num_epochs=max(published.num_epochs, _EPOCHS_A_PATIENCE * patience),
        )
