"""Training linear probes: all losses and seeds together."""

from collections.abc import Callable, Mapping, Sequence

import torch

from wann_core.errors import WannError
from wann_core.methods.probes.data import ProbeData
from wann_core.methods.probes.fits import Epoch, Fit
from wann_core.methods.probes.losses.recipes import Recipe
from wann_core.methods.probes.settings import ProbeSettings
from wann_core.methods.probes.threads import Pace
from wann_core.methods.probes.trainer import Inputs, Trainer
from wann_core.progress import Progress


def train(
    tasks: Sequence[ProbeData],
    recipes: Mapping[str, Recipe],
    settings: ProbeSettings,
    *,
    device: str | None = None,
    watch_test: bool = False,
    margins: bool = False,
    progress: Progress | None = None,
    on_epoch: Callable[[list[Epoch]], None] | None = None,
    on_fit: Callable[[Fit], None] | None = None,
) -> list[Fit]:
    """Train a linear probe under each loss on each task, all in one pass over the data.

    Adam on shuffled batches; early stop and scheduler by the accuracy on the noisy validation rows;
    the weights of the best epoch. A seed fixes first weights and the order of the rows, so a head
    ends with the same weights whatever is trained beside it.

    Parameters
    ----------
    tasks : sequence of ProbeData
        They share their `X` and have equally many rows.
    recipes : mapping of str to Recipe
        Losses by name.
    settings : ProbeSettings
    device : str, optional
        Of torch; by default a GPU if there is one.
    watch_test : bool
        Measure the accuracy on the test rows after each epoch, for curves; nothing is chosen by it.
    margins : bool
        Keep each row's mean margin.
    progress : callable, optional
        `progress(done, total, text)`; may raise to stop.
    on_epoch : callable, optional
        Gets the `Epoch` of each head still in training, after each epoch.
    on_fit : callable, optional
        Gets each `Fit` as soon as its head stops.

    Returns
    -------
    list of Fit
        Task by task, loss by loss.

    Raises
    ------
    WannError
        If the device cannot be used.
    """
    inputs = Inputs(tasks, _device(device), watch_test)
    fits: dict[tuple[int, str], Fit] = {}

    def report(place: float) -> None:
        if progress is not None:
            most, left = settings.num_epochs, len(trainer.training)
            text = f"epoch {int(place) + 1} of at most {most}, {left} probes in training"
            progress(place, most, text)

    pace = Pace()
    trainer = Trainer(inputs, recipes, settings, margins, report, pace)
    with pace.kept():
        while trainer.training:
            epochs = trainer.epoch()
            if on_epoch is not None:
                on_epoch(epochs)
            for fit in trainer.take_finished():
                fits[tasks.index(fit.data), fit.loss] = fit
                if on_fit is not None:
                    on_fit(fit)
    return [fits[task, loss] for task in range(len(tasks)) for loss in recipes]


def _device(name: str | None) -> torch.device:
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise WannError(f"`device` {name!r} cannot be used: {reason}", "device") from error
