"""How a linear probe is trained."""

from collections.abc import Mapping
from dataclasses import dataclass

from wann_core.errors import check_number


@dataclass(frozen=True)
class ProbeSettings:
    """Hyper-parameters of a probe; the defaults are the published ones.

    Attributes
    ----------
    learning_rate : float
        Adam's, divided by 10 after `patience` epochs without a better validation accuracy, down to
        1e-5.
    num_epochs : int
        At most so many.
    batch_size : int
    patience : int
        Training ends after so many epochs in a row without a better validation accuracy.
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
