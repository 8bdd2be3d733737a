"""Training linear probes: all losses and seeds together."""

import os
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch

from wann_core.errors import WannError
from wann_core.neighbors import Progress
from wann_core.probing.data import ProbeData
from wann_core.probing.fits import Epoch, Fit
from wann_core.probing.recipes import Recipe
from wann_core.probing.settings import ProbeSettings
from wann_core.probing.trainer import Inputs, Trainer

# So many losses are worth a thread, and so many multiplications a step another one within it.
_LOSSES_A_THREAD = 4
_PRODUCTS_A_THREAD = 20_000_000


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
        Gets the `Epoch` of each head of a thread, after each of its epochs.
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

    def finish(fit: Fit) -> None:
        fits[tasks.index(fit.data), fit.loss] = fit
        if on_fit is not None:
            on_fit(fit)

    _Crew(inputs, recipes, settings, margins, progress, on_epoch, finish).run()
    return [fits[task, loss] for task in range(len(tasks)) for loss in recipes]


def _device(name: str | None) -> torch.device:
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise WannError(f"`device` {name!r} cannot be used: {reason}", "device") from error


class _Stopped(Exception):
    """Ends a worker whose caller has stopped."""


class _Crew:
    """Workers that train a part of the losses each, and tell the calling thread how it goes.

    What callers gave is called in their own thread, one call at a time; an error that it raises
    stops the workers.
    """

    def __init__(
        self,
        inputs: Inputs,
        recipes: Mapping[str, Recipe],
        settings: ProbeSettings,
        margins: bool,
        progress: Progress | None,
        on_epoch: Callable[[list[Epoch]], None] | None,
        on_fit: Callable[[Fit], None],
    ) -> None:
        self.inputs, self.settings, self.margins = inputs, settings, margins
        self.progress, self.on_epoch, self.on_fit = progress, on_epoch, on_fit
        self.parts = _parts(recipes)
        self.places = [0.0] * len(self.parts)
        self.training = [len(part) * len(inputs.tasks) for part in self.parts]
        self.events: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self.stop = threading.Event()
        self.started = threading.Barrier(len(self.parts) + 1)

    def run(self) -> None:
        """Work until all heads have stopped."""
        workers = [
            threading.Thread(target=self._work, args=(number,), name="wann-probe")
            for number in range(len(self.parts))
        ]
        count = torch.get_num_threads()
        for worker in workers:
            worker.start()
        try:
            self.started.wait()
            # A worker's own count is what threads to come would start with, were it not set again.
            torch.set_num_threads(count)
            running = len(workers)
            while running:
                event = self.events.get()
                if event is None:
                    running -= 1
                else:
                    event()
        finally:
            self.stop.set()
            for worker in workers:
                worker.join()

    def _threads(self) -> int:
        """Threads within a worker: small steps would wait for one another more than they gain."""
        step = self.settings.batch_size * self.inputs.X.shape[1] * self.inputs.tasks[0].n_classes
        products = step * len(self.inputs.tasks) * len(self.parts[0])
        return max(1, min(products // _PRODUCTS_A_THREAD, _cores() // len(self.parts)))

    def _work(self, number: int) -> None:
        # torch counts threads by thread, and sets up its own count before it takes another.
        torch.get_num_threads()
        torch.set_num_threads(self._threads())
        self.started.wait()
        try:
            self._train(number)
        except _Stopped:
            pass
        except Exception as error:
            self.events.put(partial(self._fail, error))
        self.events.put(None)

    def _train(self, number: int) -> None:
        def report(place: float) -> None:
            if self.stop.is_set():
                raise _Stopped
            self.places[number] = place
            if self.progress is not None:
                self.events.put(self._tell)

        trainer = Trainer(self.inputs, self.parts[number], self.settings, self.margins, report)
        while trainer.training:
            epochs = trainer.epoch()
            if self.on_epoch is not None:
                self.events.put(partial(self.on_epoch, epochs))
            for fit in trainer.take_finished():
                self.events.put(partial(self.on_fit, fit))
            self.training[number] = len(trainer.training)
        self.places[number] = self.settings.num_epochs

    def _tell(self) -> None:
        assert self.progress is not None
        most, place = self.settings.num_epochs, min(self.places)
        text = f"epoch {int(place) + 1} of at most {most}, {sum(self.training)} probes in training"
        self.progress(place, most, text)

    @staticmethod
    def _fail(error: Exception) -> None:
        raise error


def _parts(recipes: Mapping[str, Recipe]) -> list[dict[str, Recipe]]:
    """The losses dealt out to threads, of which there are no more than cores."""
    names = list(recipes)
    count = min(_cores(), -(-len(names) // _LOSSES_A_THREAD))
    return [{name: recipes[name] for name in names[i::count]} for i in range(count)]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
