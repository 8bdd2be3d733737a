"""Work in the background: progress, cancel, failure, and one job a question."""

import threading

import pytest

from ui.jobs.jobs import Job, Registry, State


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
    assert job.state is State.CANCELLED
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
