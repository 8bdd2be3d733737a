"""Long work in the background: started once, watched and cancelled from any tab.

A worker thread never calls Streamlit. It reports through `Job.progress`, which raises `Cancelled`
once somebody has asked the job to stop; the pages draw what the job holds.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from enum import Enum
from typing import Any

import streamlit as st

from wann_core.errors import WannError

_KEPT = 32  # finished jobs, so that a reload finds them
# Those whose results may be large, as the first word of their key: few are kept, and not for long.
_LARGE = ("table", "look", "predict", "audit")
_LARGE_KEPT = 3
_LARGE_SECONDS = 900.0
_AT_ONCE = 0.8  # seconds that a page waits before it shows a progress bar


class Cancelled(Exception):
    """Raised inside a job that was asked to stop."""


class State(Enum):
    """What has become of a job."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Job:
    """One piece of work in a thread of its own.

    Parameters
    ----------
    work : callable
        Called as `work(job)`; what it returns becomes `result`.
    about : object, optional
        What was asked, or where the work writes, for the page that shows the answer.

    Attributes
    ----------
    about : object
    state : State
    result : object
    error : Exception or None
    partial : list
        Results so far; the worker appends, pages read.
    """

    def __init__(self, work: Callable[["Job"], Any], about: Any = None) -> None:
        self.about = about
        self.state = State.RUNNING
        self.result: Any = None
        self.error: Exception | None = None
        self.partial: list[Any] = []
        self.seconds = 0.0
        self.used = time.monotonic()  # when a page last asked for it
        self._progress: tuple[float, float, str] = (0, 0, "starting")
        self._started = time.monotonic()
        self._phase = (self._started, 0.0)  # when the present piece of work began, and where
        self._stop = threading.Event()
        self._finished = threading.Event()
        threading.Thread(target=self._run, args=(work,), daemon=True, name="wann-job").start()

    def _run(self, work: Callable[["Job"], Any]) -> None:
        try:
            self.result = work(self)
            self.state = State.DONE
        except Cancelled:
            self.state = State.CANCELLED
        except Exception as error:
            # A failure of any kind must reach the page that waits for the job.
            self.error, self.state = error, State.FAILED
            if not isinstance(error, WannError):
                logging.getLogger(__name__).exception("a background job failed")
        finally:
            self.seconds = time.monotonic() - self._started
            self._finished.set()

    def progress(self, done: float, total: float, text: str) -> None:
        """Tell how far the work is; the engine's progress callback.

        Raises
        ------
        Cancelled
            If the job was asked to stop.
        """
        if self._stop.is_set():
            raise Cancelled
        if total != self._progress[1] or done < self._progress[0]:
            # Something new, or work that goes on where an earlier attempt stopped.
            self._phase = (time.monotonic(), done)
        self._progress = (done, total, text)

    def cancel(self) -> None:
        """Ask the job to stop at its next report, and give it a moment to do so."""
        self._stop.set()
        self.wait(0.8)

    def wait(self, seconds: float) -> bool:
        """Wait for the end; whether it came."""
        return self._finished.wait(seconds)

    def status(self) -> tuple[float, str]:
        """Share done (0 to 1) and a line for the progress bar, with the time left."""
        done, total, text = self._progress
        share = done / total if total else 0.0
        if self._stop.is_set():
            return share, "Cancelling …"
        text = text[:1].upper() + text[1:]
        since, first = self._phase
        if done <= first:
            return share, f"{text} …"
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
        self._jobs: OrderedDict[Hashable, Job] = OrderedDict()
        self._lock = threading.Lock()

    def start(self, key: Hashable, work: Callable[[Job], Any], about: Any = None) -> Job:
        """The job under `key`, started if there is none."""
        with self._lock:
            if key not in self._jobs:
                self._jobs[key] = Job(work, about)
            self._jobs.move_to_end(key)
            self._jobs[key].used = time.monotonic()
            self._tidy()
            return self._jobs[key]

    def restart(self, key: Hashable, work: Callable[[Job], Any], about: Any = None) -> Job:
        """A new job under `key`, whatever became of an earlier one."""
        self.forget(key)
        return self.start(key, work, about)

    def find(self, key: Hashable) -> Job | None:
        """The job under `key`, if it was ever started."""
        with self._lock:
            job = self._jobs.get(key)
            if job is not None:
                job.used = time.monotonic()
            self._tidy()
            return job

    def of_kind(self, kind: str) -> list[tuple[Any, Job]]:
        """Keys and jobs whose key is a tuple that begins with `kind`, oldest first."""
        with self._lock:
            found = list(self._jobs.items())
        return [(k, job) for k, job in found if _kind(k) == kind]

    def forget(self, key: Hashable) -> None:
        """Drop a job, so that the next start begins anew."""
        with self._lock:
            self._jobs.pop(key, None)

    def _tidy(self) -> None:
        """Drop finished jobs beyond what is kept, and large results that nobody looks at."""
        finished = [k for k, job in self._jobs.items() if job.state is not State.RUNNING]
        large = [k for k in finished if _kind(k) in _LARGE]
        since = time.monotonic() - _LARGE_SECONDS
        unused = [k for k in large if self._jobs[k].used < since]
        for key in {*finished[:-_KEPT], *large[:-_LARGE_KEPT], *unused}:
            del self._jobs[key]


def _kind(key: Hashable) -> str:
    return str(key[0]) if isinstance(key, tuple) and key else ""


@st.cache_resource
def registry() -> Registry:
    """The one registry, shared by all sessions."""
    return Registry()


def bar(job: Job, key: str) -> None:
    """Progress and a Cancel button; draw it in a fragment that runs every half second."""
    share, text = job.status()
    line, button = st.columns([6, 1], vertical_alignment="center")
    line.progress(share, text)
    button.button("Cancel", on_click=job.cancel, key=key, width="stretch")


def finished(job: Job, key: str) -> bool:
    """Whether a job has ended; if not, draw its bar, and run the page again when it has."""
    if job.wait(_AT_ONCE):
        return True

    @st.fragment(run_every=0.25)
    def draw() -> None:
        if job.state is not State.RUNNING:
            st.rerun()
        bar(job, key)

    draw()
    return False


def show_internal_error(error: Exception, *, logged: bool = True) -> None:
    """Tell of an error that is the program's own; its details go to the log alone."""
    if not logged:
        logging.getLogger(__name__).error("a page failed", exc_info=error)
    st.error(
        f"This went wrong inside the program ({type(error).__name__}). The server's log has the "
        "details; your settings are kept.",
        icon=":material/error:",
    )
