"""How a page shows a job: not begun, running, canceled, refused, failed or done."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from ui.jobs import jobs
from ui.shell import theme
from ui.shell.controls import describe_error
from wann_core.errors import WannError

T = TypeVar("T")

_AT_ONCE = 0.8  # seconds that a page waits before it shows a progress bar


def show_refusal(error: WannError) -> None:
    """Show why a request cannot be served, where no control is at fault."""
    st.error(theme.plain(describe_error(error, {})), icon=":material/error:")


@dataclass(frozen=True)
class Panel(Generic[T]):
    """One job of a page, and everything that can become of it.

    Attributes
    ----------
    name : str
        Of the panel on its page; its widgets are named after it.
    key : tuple
        Names the job: a word for its kind, then all that the answer depends on.
    work : callable
        `work(job)`, in a thread of its own.
    title : str
        What it does, for the list of running jobs.
    about : object
        See `jobs.Job`.
    canceled : str
        What a user should know of a canceled job.
    again : str
        Label of the button that starts it again; empty where the page has a button of its own.
    refuse : callable
        Shows a `WannError` beside the control at fault.
    retry : bool
        Whether what the page began by itself and failed begins again at its next run: what was
        at fault may have been mended meanwhile.
    """

    name: str
    key: tuple[Any, ...]
    work: Callable[[jobs.Job], T]
    title: str
    about: Any = None
    canceled: str = "Canceled."
    again: str = "Start again"
    refuse: Callable[[WannError], Any] = show_refusal
    retry: bool = True

    @property
    def job(self) -> jobs.Job | None:
        """The job, if it was ever started."""
        return jobs.registry().find(self.key)

    @property
    def busy(self) -> bool:
        """Whether it runs, so that the button which starts it is off."""
        return self.job is not None and not _ended_at_once(self.job)

    @property
    def done(self) -> bool:
        """Whether its answer is there."""
        return self.job is not None and self.job.state is jobs.State.DONE

    def offer(self, label: str, **how: Any) -> None:
        """Draw the button that starts it, until its answer is there."""
        busy = self.busy  # first: it waits for what ends at once
        if not self.done:
            st.button(label, on_click=self.start, disabled=busy, **how)

    def start(self) -> None:
        """Start it, at the press of a button; one that runs already goes on."""
        jobs.registry().restart(self.key, self.work, self.about, self.title)

    def begin(self) -> None:
        """Start it without a click, because the page needs it.

        What this panel was waiting for before, under other settings, is canceled if no other tab
        waits for it.
        """
        registry, session = jobs.registry(), _session()
        asked = st.session_state.setdefault("_begun", {})
        before = asked.get(self.name)
        if before is not None and before != self.key:
            registry.leave(before, session)
        asked[self.name] = self.key
        job = registry.start(self.key, self.work, self.about, self.title)
        job.waiting.add(session)

    def answer(self, changed: Callable[[], bool] = lambda: False) -> T | None:
        """What the job has made; None, and what has become of it on the page, until it has.

        The page runs again when it has, and as soon as `changed()`.
        """
        job = self.job
        if job is None or not finished(job, self.name, changed):
            return None
        by_page = st.session_state.get("_begun", {}).get(self.name) == self.key
        refused = isinstance(job.error, WannError)
        if job.error is not None and by_page and self.retry:
            self.forget()
        again = self.start if self.again and not (refused and self.retry) else None
        if not outcome(job, self.name, self.canceled, self.refuse, self.again, again):
            return None
        result: T = job.result
        return result

    def forget(self) -> None:
        """Let the next run of the page ask again, because its answer is kept elsewhere."""
        jobs.registry().forget(self.key)


def outcome(
    job: jobs.Job,
    name: str,
    canceled: str = "Canceled.",
    refuse: Callable[[WannError], Any] = show_refusal,
    label: str = "",
    again: Callable[[], Any] | None = None,
) -> bool:
    """Draw what has become of a job; whether it is done.

    Parameters
    ----------
    job : Job
    name : str
        Of its panel.
    canceled : str
        What a user should know of a canceled job.
    refuse : callable, optional
        Shows a `WannError` beside the control at fault.
    label, again : str and callable, optional
        Of the button that starts it again.
    """
    if job.state is jobs.State.RUNNING:
        bar(job, name)
        return False
    if job.state is jobs.State.DONE:
        return True
    message = st.container()
    if again is not None and st.button(label, key=f"again_{name}", on_click=again):
        st.rerun()  # the whole page: a region of it would go on showing the job that ended
    with message:
        if job.state is jobs.State.CANCELED:
            st.info(canceled, icon=":material/cancel:")
        elif job.error is not None:
            show_error(job.error, refuse)  # last, since it may end the page
    return False


def show_error(error: Exception, refuse: Callable[[WannError], Any] = show_refusal) -> None:
    """Show what ended a job: a request that cannot be served, a disk, or our own mistake."""
    if isinstance(error, WannError):
        refuse(error)
    elif isinstance(error, OSError) and error.strerror:
        place = f": {error.filename}" if error.filename else ""
        st.error(theme.plain(f"{error.strerror}{place}."), icon=":material/error:")
    else:
        show_internal_error(error)


def show_internal_error(error: Exception, *, logged: bool = True) -> None:
    """Tell of an error that is the program's own; its details go to the log alone."""
    if not logged:
        logging.getLogger(__name__).error("a page failed", exc_info=error)
    st.error(
        f"This went wrong inside the program ({type(error).__name__}). The server's log has the "
        "details; your settings are kept.",
        icon=":material/error:",
    )


def bar(job: jobs.Job, name: str) -> None:
    """Progress and a Cancel button; draw it in a fragment that runs every half second."""
    _shown_here().add(id(job))
    share, text = job.status()
    # Not columns: in a narrow place the button's name was cut.
    row = st.container(horizontal=True, vertical_alignment="center")
    row.progress(share, theme.plain(text))
    row.button("Cancel", on_click=job.cancel, key=f"cancel_{name}", disabled=job.stopping)


def finished(job: jobs.Job, name: str, changed: Callable[[], bool] = lambda: False) -> bool:
    """Whether a job has ended; if not, draw its bar, and run the page again when it has."""
    if _ended_at_once(job):
        return True
    follow(job, lambda: bar(job, name), every=0.25, changed=changed, running=True)
    return False


def follow(
    job: jobs.Job | None,
    draw: Callable[[], None],
    *,
    every: float = 0.5,
    changed: Callable[[], bool] = lambda: False,
    running: bool | None = None,
) -> None:
    """Draw a region again and again while a job runs, then run the whole page.

    Parameters
    ----------
    job : Job or None
        None draws the region once.
    draw : callable
    every : float
        Seconds from one drawing to the next.
    changed : callable, optional
        Whether the whole page must run although the job goes on.
    running : bool, optional
        Whether the page was drawn for a running job, which may have ended since; by default whether
        it runs now.
    """
    live = job is not None and job.state is jobs.State.RUNNING if running is None else running

    @st.fragment(run_every=every if live else None)
    def region() -> None:
        # The page's buttons and this clock depend on the job.
        if job is not None and live and (job.state is not jobs.State.RUNNING or changed()):
            st.rerun()
        draw()

    region()


def list_others() -> None:
    """List the running jobs that the page does not show, each with a way to stop it."""
    # Always there, or what follows would move when a job starts or ends, and stand twice meanwhile.
    place = st.container()
    if not jobs.registry().running():
        return
    shown = st.session_state["_jobs_shown"] = set()
    drawn = False

    @st.fragment(run_every=1.0)
    def draw() -> None:
        nonlocal drawn
        if not drawn:
            drawn = True  # the page itself comes after this: what it shows is not known yet
            return
        for job in jobs.registry().running():
            if id(job) in shown or not job.title:
                continue
            share, text = job.status()
            st.progress(share, theme.plain(f"{job.title}: {text[:1].lower()}{text[1:]}"))
            st.button("Cancel", key=f"cancel_other_{id(job)}", on_click=job.cancel)

    with place:
        draw()


def _shown_here() -> set[int]:
    """Jobs that the page shows by itself."""
    shown: set[int] = st.session_state.setdefault("_jobs_shown", set())
    return shown


def _ended_at_once(job: jobs.Job) -> bool:
    return job.wait(max(0.0, _AT_ONCE - job.age))


def _session() -> str:
    context = get_script_run_ctx()
    return "" if context is None else context.session_id
