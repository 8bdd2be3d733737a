"""Long work in the background: started once, found again from any tab, canceled for good.

A worker thread never calls Streamlit. It reports through `Job.progress`, which raises `Canceled`
once somebody has asked the job to stop; `ui.jobs.panel` draws what the job holds.
"""

import contextlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from enum import Enum
from typing import Any

import streamlit as st
from streamlit import runtime

from ui.jobs import compilation
from ui.jobs.slots import POLL_SECONDS, Slots
from wann_core.errors import WannError

_KEPT = 32  # finished jobs, so that a reload finds them
# Those whose results may be large, as the first word of their key: few are kept, and not for long.
_LARGE = ("table", "look", "predict", "audit", "prepare", "load")
_LARGE_KEPT = 3
_LARGE_SECONDS = 900.0
_CANCEL_SECONDS = 1.5  # within which a canceled job ends, or is given up
# At once, of all sessions together: what pages cannot do without, and what somebody started.
_MOST_FOR_PAGES = 16
_MOST_ASKED = 4


class Canceled(Exception):
    """Raised inside a job that was asked to stop."""


class State(Enum):
    """What has become of a job."""

    RUNNING = "running"
    DONE = "done"
    CANCELED = "canceled"
    FAILED = "failed"


class Job:
    """One piece of work in a thread of its own.

    Parameters
    ----------
    work : callable
        Called as `work(job)`; what it returns becomes `result`.
    about : object, optional
        What was asked, or where the work writes, for the page that shows the answer.
    title : str, optional
        What it does, for the list of running jobs.
    after : Job, optional
        A job under the same key that was asked to stop: this one begins when that has ended.
    slots : Slots, optional
        Where it needs a place to begin.

    Attributes
    ----------
    about : object
    title : str
    state : State
    dropped : bool
        Whether nobody asks for it any more, so that its key is free for another.
    waiting : set of str
        Sessions whose page waits for it.
    result : object
    error : Exception or None
    partial : list
        Results so far; the worker appends, pages read.
    """

    def __init__(
        self,
        work: Callable[["Job"], Any],
        about: Any = None,
        title: str = "",
        after: "Job | None" = None,
        slots: Slots | None = None,
    ) -> None:
        self.about = about
        self.title = title
        self.state = State.RUNNING
        self.dropped = False
        self.waiting: set[str] = set()
        self._after = after
        self._slots = slots
        self.result: Any = None
        self.error: Exception | None = None
        self.partial: list[Any] = []
        self.seconds = 0.0
        self.used = time.monotonic()  # when a page last asked for it
        self._progress: tuple[float, float, str] = (0, 0, "starting")
        self._started = time.monotonic()
        self._phase = (self._started, 0.0)  # when the present piece of work began, and where
        self._stop = threading.Event()
        self._finished = threading.Event()  # has a state that stays
        self._ended = threading.Event()  # its thread is at its end
        self._settling = threading.Lock()
        threading.Thread(target=self._run, args=(work,), daemon=True, name="wann-job").start()

    def _run(self, work: Callable[["Job"], Any]) -> None:
        try:
            while self._after is not None and not self._after.gone(POLL_SECONDS):
                self.progress(0, 1, "waiting for the canceled attempt to end")
            self._after = None
            with contextlib.nullcontext() if self._slots is None else self._slots.hold(self._wait):
                result = work(self)
            self._settle(State.DONE, result=result)
        except Canceled:
            self._settle(State.CANCELED)
        except Exception as error:
            if not isinstance(error, WannError):
                logging.getLogger(__name__).exception("a background job failed")
            # A failure of any kind must reach the page that waits for the job.
            self._settle(State.FAILED, error=error)
        finally:
            self._ended.set()

    def _wait(self, before: int) -> None:
        others = "as many jobs as may run at once are running"
        if before:
            others = "1 job comes first" if before == 1 else f"{before} jobs come first"
        self.progress(0, 1, f"waiting for its turn: {others}")

    def _settle(self, state: State, result: Any = None, error: Exception | None = None) -> None:
        """What has become of the job; the first word stays."""
        with self._settling:
            if not self._finished.is_set():
                self.result, self.error, self.state = result, error, state
                self.seconds = time.monotonic() - self._started
                self._finished.set()

    def progress(self, done: float, total: float, text: str) -> None:
        """Tell how far the work is; the engine's progress callback.

        Raises
        ------
        Canceled
            If the job was asked to stop.
        """
        if self._stop.is_set():
            raise Canceled
        if total != self._progress[1] or done < self._progress[0]:
            # Something new, or work that goes on where an earlier attempt stopped.
            self._phase = (time.monotonic(), done)
        self._progress = (done, total, text)

    def cancel(self) -> None:
        """Ask the job to stop at its next report; what does not report soon is given up.

        Its thread then goes on to that report in the background: see `gone`.
        """
        self._stop.set()
        if not self.wait(_CANCEL_SECONDS):
            self._settle(State.CANCELED)

    def drop(self) -> None:
        """Ask the job to stop and give up its key, without a wait."""
        self.dropped = True
        self._stop.set()

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop.is_set()

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._started

    def wait(self, seconds: float) -> bool:
        """Wait until it is done, canceled or failed; whether it is."""
        return self._finished.wait(seconds)

    def gone(self, seconds: float = 0) -> bool:
        """Wait for the end of its thread, and of those it was to follow; whether it came."""
        return self._ended.wait(seconds) and (self._after is None or self._after.gone())

    def status(self) -> tuple[float, str]:
        """Share done (0 to 1) and a line for the progress bar, with the time left."""
        done, total, text = self._progress
        share = done / total if total else 0.0
        if self._stop.is_set():
            return share, "Canceling …"
        since, first = self._phase
        if done <= first and compilation.watch().going_on():
            text = compilation.TEXT
        text = text[:1].upper() + text[1:]
        if done <= first:
            waited = f", {duration(self.age)} so far" if self.age >= 2 else ""
            return share, f"{text} …{waited}"
        left = (time.monotonic() - since) * (total - done) / (done - first)
        return share, f"{text}, about {duration(left)} left"


def duration(seconds: float) -> str:
    """A time in the units that suit it: '42 s', '2 min 5 s', '3.1 h'."""
    minutes, seconds = divmod(round(seconds), 60)
    if minutes >= 90:
        return f"{minutes / 60:.1f} h"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


class Registry:
    """The jobs of this server, by what they compute."""

    def __init__(self) -> None:
        compilation.watch()
        self._jobs: OrderedDict[Hashable, Job] = OrderedDict()
        # Long work that somebody has asked for must not keep pages from opening.
        self._for_pages, self._asked = Slots(_MOST_FOR_PAGES), Slots(_MOST_ASKED)
        self._lock = threading.Lock()

    def start(
        self, key: Hashable, work: Callable[[Job], Any], about: Any = None, title: str = ""
    ) -> Job:
        """The job under `key`, started if there is none."""
        with self._lock:
            job = self._known(key)
            if job is None:
                after, slots = self._ending(key), self._for_pages
                self._jobs[key] = job = Job(work, about, title, after, slots)
            self._touch(key, job)
            return job

    def restart(
        self, key: Hashable, work: Callable[[Job], Any], about: Any = None, title: str = ""
    ) -> Job:
        """A new job under `key` in the place of one that has ended; one that runs goes on.

        One that was asked to stop and has not yet done so ends first.
        """
        with self._lock:
            job = self._known(key)
            if job is None or job.state is not State.RUNNING:
                after, slots = self._ending(key), self._asked
                self._jobs[key] = job = Job(work, about, title, after, slots)
            self._touch(key, job)
            return job

    def find(self, key: Hashable) -> Job | None:
        """The job under `key`, if it was ever started."""
        with self._lock:
            job = self._known(key)
            if job is not None:
                job.used = time.monotonic()
            self._tidy()
            return job

    def of_kind(self, kind: str) -> list[tuple[Any, Job]]:
        """Keys and jobs whose key is a tuple that begins with `kind`, oldest first."""
        with self._lock:
            found = list(self._jobs.items())
        return [(key, job) for key, job in found if _kind(key) == kind and not job.dropped]

    def running(self) -> list[Job]:
        """The jobs that run, oldest first, also those that nobody waits for."""
        with self._lock:
            return [job for job in self._jobs.values() if job.state is State.RUNNING]

    def forget(self, key: Hashable) -> None:
        """Drop a job, so that the next start begins again; one that runs is asked to stop."""
        with self._lock:
            job = self._jobs.get(key)
            if job is not None and not job.gone():
                job.drop()
            else:
                self._jobs.pop(key, None)

    def leave(self, key: Hashable, session: str) -> None:
        """Drop a running job that this session no longer waits for, unless another one does."""
        with self._lock:
            job = self._known(key)
            if job is None or job.gone() or session not in job.waiting:
                return
            job.waiting.discard(session)
            if not any(is_open(other) for other in job.waiting):
                job.drop()

    def _known(self, key: Hashable) -> Job | None:
        job = self._jobs.get(key)
        return None if job is None or job.dropped else job

    def _ending(self, key: Hashable) -> Job | None:
        job = self._jobs.get(key)
        return None if job is None or job.gone() else job

    def _touch(self, key: Hashable, job: Job) -> None:
        self._jobs.move_to_end(key)
        job.used = time.monotonic()
        self._tidy()

    def _tidy(self) -> None:
        """Drop finished jobs beyond what is kept, and large results that nobody looks at."""
        ended = {key: job for key, job in self._jobs.items() if job.gone()}
        dropped = [key for key, job in ended.items() if job.dropped]
        finished = [key for key, job in ended.items() if not job.dropped]
        finished.sort(key=lambda key: ended[key].used)
        large = [k for k in finished if _kind(k) in _LARGE]
        since = time.monotonic() - _LARGE_SECONDS
        unused = [k for k in large if self._jobs[k].used < since]
        for key in {*dropped, *finished[:-_KEPT], *large[:-_LARGE_KEPT], *unused}:
            del self._jobs[key]


def _kind(key: Hashable) -> str:
    return str(key[0]) if isinstance(key, tuple) and key else ""


def is_open(session: str) -> bool:
    """Whether the tab of a session is still open."""
    return runtime.exists() and runtime.get_instance().is_active_session(session)


@st.cache_resource
def registry() -> Registry:
    """The one registry, shared by all sessions."""
    return Registry()
