"""Work in the background: progress, cancel, failure, and one job a question."""

import threading
import time
import tomllib
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from tests.helpers.roots import ROOT
from ui.jobs import compilation, jobs
from ui.jobs.jobs import Job, Registry, State
from wann_core import Scenario
from wann_core.paths import Roots
from wann_core.progress import Progress
from wann_core.storage.memory_cache import SharedCache


def test_result_and_progress_reach_the_page() -> None:
    reported, go_on = threading.Event(), threading.Event()

    def work(job: Job) -> int:
        job.progress(0, 4, "counting")
        job.progress(1, 4, "counting")
        reported.set()
        go_on.wait(10)
        return 7

    job = Job(work)
    assert reported.wait(10)
    share, text = job.status()
    assert share == 0.25
    assert text.startswith("Counting, about")
    assert job.state is State.RUNNING
    go_on.set()
    assert job.wait(10)
    assert (job.state, job.result, job.error) == (State.DONE, 7, None)


def test_time_left_counts_from_where_resumed_work_began() -> None:
    reported, go_on = threading.Event(), threading.Event()

    def work(job: Job) -> None:
        job.progress(90, 100, "Embedding")
        reported.set()
        go_on.wait(10)

    job = Job(work)
    assert reported.wait(10)
    assert job.status() == (0.9, "Embedding …")
    go_on.set()
    assert job.wait(10)


def test_cancel_stops_at_the_next_report_and_keeps_what_there_is() -> None:
    started = threading.Event()

    def work(job: Job) -> None:
        for i in range(10**9):
            job.partial.append(i)
            job.progress(i, 10**9, "counting")
            started.set()

    job = Job(work)
    assert started.wait(10)
    job.cancel()
    assert job.wait(10)
    assert job.state is State.CANCELED
    assert job.partial


def test_failure_is_kept_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    def work(job: Job) -> None:
        raise ZeroDivisionError("no")

    job = Job(work)
    assert job.wait(10)
    assert job.state is State.FAILED
    assert isinstance(job.error, ZeroDivisionError)
    assert "a background job failed" in caplog.text


def test_one_job_a_question() -> None:
    registry, calls = Registry(), []
    go_on = threading.Event()

    def work(job: Job) -> None:
        calls.append(1)
        go_on.wait(10)

    first = registry.start("key", work)
    assert registry.start("key", work) is first is registry.find("key")
    go_on.set()
    assert first.wait(10)
    registry.forget("key")
    assert registry.find("key") is None
    assert registry.start("key", work).wait(10)
    assert len(calls) == 2


def test_finished_jobs_are_bounded_and_running_ones_kept() -> None:
    registry, go_on = Registry(), threading.Event()
    running = registry.start("running", lambda job: go_on.wait(10))
    for i in range(100):
        assert registry.start(i, lambda job: None).wait(10)
    assert registry.find("running") is running
    assert registry.find(0) is None
    assert registry.find(99) is not None
    go_on.set()


def test_work_that_does_not_report_is_given_up_within_two_seconds() -> None:
    go_on = threading.Event()
    job = Job(lambda job: go_on.wait(30))
    began = time.monotonic()
    job.cancel()
    assert time.monotonic() - began < 2
    assert job.state is State.CANCELED
    assert not job.gone()
    go_on.set()
    assert job.gone(10)
    assert (job.state, job.result) == (State.CANCELED, None)  # the first word stays


def test_a_new_attempt_follows_the_canceled_one() -> None:
    registry, go_on, order = Registry(), threading.Event(), list[str]()

    def slow(job: Job) -> None:
        go_on.wait(30)
        order.append("first")

    first = registry.start("key", slow)
    first.cancel()
    second = registry.restart("key", lambda job: order.append("second"))
    assert second is not first
    assert not second.wait(0.5)
    assert "Waiting for the canceled attempt to end" in second.status()[1]
    go_on.set()
    assert second.wait(10)
    assert order == ["first", "second"]


def test_restart_leaves_a_running_job_where_it_is() -> None:
    registry, go_on = Registry(), threading.Event()
    first = registry.start("key", lambda job: go_on.wait(30))
    assert registry.restart("key", lambda job: None) is first
    go_on.set()
    assert first.wait(10)
    assert registry.restart("key", lambda job: None) is not first


def endless(job: Job) -> None:
    while True:
        job.progress(0, 1, "searching")
        time.sleep(0.01)


def test_a_job_that_no_session_waits_for_is_canceled(monkeypatch: pytest.MonkeyPatch) -> None:
    alive = {"other"}
    monkeypatch.setattr(jobs, "is_open", alive.__contains__)
    registry = Registry()
    job = registry.start("old", endless)
    job.waiting |= {"mine", "other"}
    registry.leave("old", "mine")
    assert not job.wait(0.3)  # another tab waits for it
    job.waiting.add("mine")
    alive.clear()
    registry.leave("old", "mine")
    assert job.wait(10)
    assert registry.find("old") is None
    assert registry.start("old", lambda job: 7).wait(10)


def test_forgetting_a_running_job_stops_it() -> None:
    registry = Registry()
    job = registry.start("key", endless)
    registry.forget("key")
    assert job.wait(10)
    assert registry.running() == []


def test_status_tells_how_long_a_wait_has_been(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def work(job: Job) -> None:
        job.progress(0, 1, "waiting for another job that prepares the same")
        go_on.wait(30)

    job = Job(work)
    monkeypatch.setattr(Job, "age", 75.0)
    while job.status()[1].startswith("Starting"):
        time.sleep(0.01)
    assert job.status()[1] == "Waiting for another job that prepares the same …, 1 min 15 s so far"
    go_on.set()
    assert job.wait(10)


def test_a_wait_for_the_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, now = compilation.Watch(), [100.0]
    monkeypatch.setattr(compilation, "watch", lambda: watch)
    monkeypatch.setattr(compilation.time, "monotonic", lambda: now[0])
    job = Job(lambda job: None)
    assert job.wait(10)

    def after(seconds: float) -> str:
        now[0] += seconds
        return job.status()[1]

    watch.on_start(None)
    assert "ompiling" not in after(0.5)  # too short to speak of
    watch.on_start(None)  # a kernel that the first one calls
    assert after(1.0).startswith("Compiling kernels, once on this machine; up to a minute …")
    watch.on_end(None)
    watch.on_end(None)
    assert "Compiling" in after(0.9)  # the next kernel follows
    watch.on_start(None)
    watch.on_end(None)
    assert "Compiling" in after(0.9)
    assert "ompiling" not in after(1.0)
    watch.on_end(None)  # of a compilation that began before the watch did
    watch.on_start(None)
    assert "Compiling" in after(1.5)


def test_a_superseded_wait_for_the_same_cache_entry_ends() -> None:
    """A job that waits for what another builds reports, and can be canceled."""
    cache, building, go_on = SharedCache(1 << 20), threading.Event(), threading.Event()

    def build() -> tuple[int, int]:
        building.set()
        go_on.wait(30)
        return 7, 1

    first = Job(lambda job: cache.get("key", build, job.progress))
    assert building.wait(10)
    second = Job(lambda job: cache.get("key", build, job.progress))
    while "another job" not in second.status()[1]:
        time.sleep(0.01)
    began = time.monotonic()
    second.cancel()
    assert time.monotonic() - began < 1
    assert second.gone()
    go_on.set()
    assert first.wait(10)
    assert first.result == 7


def test_only_a_move_that_asks_for_other_neighbors_cancels_the_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def search(scenario: Scenario, roots: Roots, progress: Progress) -> None:
        while True:
            progress(0, 1, "searching neighbors")
            time.sleep(0.01)

    monkeypatch.setattr("ui.jobs.engine.prepare", search)
    registry = Registry()
    monkeypatch.setattr(jobs, "registry", lambda: registry)
    app = AppTest.from_file(ROOT / "pages" / "overview.py", default_timeout=60).run()
    (job,) = registry.running()
    assert [button.label for button in app.main.button] == ["Cancel"]
    app.slider(key="ratio").set_value(0.2).run()
    assert registry.running() == [job]
    app.selectbox(key="norm").set_value("l2").run()
    assert job.wait(10)
    assert job.state is State.CANCELED
    (other,) = registry.running()
    assert other.title == "Preparing digits / pixels"
    app.button[0].click().run()
    assert other.state is State.CANCELED
    assert "was canceled" in app.info[0].value
    assert [button.label for button in app.main.button] == ["Start again"]
    # Back where the search was given up, it starts again without being asked.
    app.selectbox(key="norm").set_value("zscore").run()
    (third,) = registry.running()
    third.cancel()
    assert not app.exception


def test_a_job_of_another_page_moves_nothing_in_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def script() -> None:
        import streamlit as st

        from ui.jobs import panel

        with st.sidebar:
            panel.list_others()
            st.text_input("Setting")

    registry, go_on = Registry(), threading.Event()
    monkeypatch.setattr(jobs, "registry", lambda: registry)
    app = AppTest.from_function(script, default_timeout=60)
    places = []
    for _ in range(2):
        app.run()
        assert not app.exception
        below = app.sidebar.text_input[0]
        places += [place for place, node in app.sidebar.children.items() if node is below]
        job = registry.restart("elsewhere", lambda job: go_on.wait(30))
    go_on.set()
    assert job.wait(10)
    assert places == [1, 1]


def test_long_work_waits_in_the_order_it_came_and_says_how_many_come_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "_MOST_ASKED", 1)
    registry, go_on, order = Registry(), threading.Event(), []

    def work(name: str) -> Callable[[Job], None]:
        def run(job: Job) -> None:
            order.append(name)
            assert go_on.wait(30)

        return run

    first, *others = [registry.restart(("sweep", n), work(n)) for n in "abcd"]
    deadline = time.monotonic() + 10
    while "2 jobs come first" not in others[2].status()[1] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "Waiting for its turn: 2 jobs come first" in others[2].status()[1]
    assert "as many jobs as may run at once" in others[0].status()[1]
    # What a page cannot do without is not behind them, and who waits can be canceled.
    assert registry.start(("load", 1), lambda job: "there").wait(10)
    others[1].cancel()
    assert others[1].state is State.CANCELED
    go_on.set()
    assert others[2].wait(10) and first.state is State.DONE
    assert order == ["a", "b", "d"]


def test_a_job_that_ends_while_its_bar_is_drawn_runs_the_page_again() -> None:
    class Ends(Job):
        """Not ended when the page asks first, ended when it draws the bar."""

        asked = 0

        def wait(self, seconds: float | None = None) -> bool:
            self.asked += 1
            return self.asked > 1 and super().wait(seconds)

    job = Ends(lambda job: 7)
    assert Job.wait(job, 10)

    def page(job: "Job") -> None:
        import streamlit as st

        from ui.jobs import panel

        st.text("done" if panel.finished(job, "counting") else "running")

    app = AppTest.from_function(page, kwargs={"job": job}).run()
    assert [text.value for text in app.text] == ["done"]
    assert job.asked == 2


def test_large_results_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry()
    for i in range(10):
        registry.start(("table", i), lambda job: "large").wait(10)
        registry.start(("small", i), lambda job: "small").wait(10)
    registry.find(("small", 0))
    assert len(registry.of_kind("table")) == 3
    assert len(registry.of_kind("small")) == 10
    monkeypatch.setattr(jobs, "_LARGE_SECONDS", -1.0)
    registry.find(("small", 0))
    assert not registry.of_kind("table")


def test_pages_collect_no_garbage_while_jobs_run() -> None:
    """Full collections after each drawing of a progress bar took most of a job's time."""
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))
    assert settings["runner"]["postScriptGC"] is False
