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

    Attributes
    ----------
    state : State
    result : object
    error : Exception or None
    partial : list
        Results so far; the worker appends, pages read.
    """

    def __init__(self, work: Callable[["Job"], Any]) -> None:
        self.state = State.RUNNING
        self.result: Any = None
        self.error: Exception | None = None
        self.partial: list[Any] = []
        self.seconds = 0.0
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

    def start(self, key: Hashable, work: Callable[[Job], Any]) -> Job:
        """The job under `key`, started if there is none."""
        with self._lock:
            if key not in self._jobs:
                self._jobs[key] = Job(work)
            self._jobs.move_to_end(key)
            finished = [k for k, job in self._jobs.items() if job.state is not State.RUNNING]
            for old in finished[:-_KEPT]:
                del self._jobs[old]
            return self._jobs[key]

    def restart(self, key: Hashable, work: Callable[[Job], Any]) -> Job:
        """A new job under `key`, whatever became of an earlier one."""
        self.forget(key)
        return self.start(key, work)

    def find(self, key: Hashable) -> Job | None:
        """The job under `key`, if it was ever started."""
        with self._lock:
            return self._jobs.get(key)

    def of_kind(self, kind: str) -> list[tuple[Any, Job]]:
        """Keys and jobs whose key is a tuple that begins with `kind`, oldest first."""
        with self._lock:
            found = list(self._jobs.items())
        return [(k, job) for k, job in found if isinstance(k, tuple) and k[0] == kind]

    def forget(self, key: Hashable) -> None:
        """Drop a job, so that the next start begins anew."""
        with self._lock:
            self._jobs.pop(key, None)


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
