"""The cache in memory: one build a key, the least recently used goes first."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from wann_core.storage.memory_cache import SharedCache


def builder(built: list[str], name: str, size: int = 1) -> Callable[[], tuple[str, int]]:
    def build() -> tuple[str, int]:
        built.append(name)
        return name, size

    return build


def test_memory_builds_once_and_then_answers() -> None:
    cache, built = SharedCache(10), list[str]()
    first = cache.get("a", builder(built, "a"))
    assert cache.get("a", builder(built, "other")) is first
    cache.clear()
    cache.get("a", builder(built, "again"))
    assert built == ["a", "again"]


def test_memory_forgets_the_least_recently_used_first() -> None:
    cache, built = SharedCache(3), list[str]()
    for name in "abc":
        cache.get(name, builder(built, name))
    cache.get("a", builder(built, "a"))  # a is now the latest used
    cache.get("d", builder(built, "d"))  # b must go, and b alone
    assert built == list("abcd")
    for name in "acd":
        cache.get(name, builder(built, name))
    assert built == list("abcd")
    cache.get("b", builder(built, "b"))
    assert built == list("abcdb")


def test_memory_keeps_the_newest_even_if_it_alone_is_too_large() -> None:
    cache, built = SharedCache(3), list[str]()
    cache.get("small", builder(built, "small"))
    cache.get("large", builder(built, "large", size=100))
    cache.get("large", builder(built, "large"))
    cache.get("small", builder(built, "small"))
    assert built == ["small", "large", "small"]


def test_threads_that_ask_for_the_same_key_wait_for_one_build() -> None:
    cache, built, start = SharedCache(10), list[str](), threading.Barrier(8)

    def build() -> tuple[object, int]:
        built.append("x")
        time.sleep(0.05)  # long enough for the others to ask meanwhile
        return object(), 1

    def ask(_: int) -> object:
        start.wait()
        return cache.get("x", build)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(8)))
    assert built == ["x"]
    assert len(set(map(id, answers))) == 1


def test_another_key_is_served_while_one_is_built() -> None:
    cache, started, finish = SharedCache(10), threading.Event(), threading.Event()

    def slow() -> tuple[str, int]:
        started.set()
        assert finish.wait(30)
        return "slow", 1

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(cache.get, "slow", slow)
        assert started.wait(30)
        assert cache.get("quick", lambda: ("quick", 1)) == "quick"
        finish.set()
        assert waiting.result() == "slow"


def test_failing_build_does_not_poison_the_key() -> None:
    cache = SharedCache(10)

    def fail() -> tuple[str, int]:
        raise RuntimeError("no memory left")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="no memory left"):
            cache.get("x", fail)
    assert cache.get("x", lambda: ("fine", 1)) == "fine"


def test_hits_leave_no_lock_behind() -> None:
    cache = SharedCache(10)
    for key in range(50):
        for _ in range(2):
            cache.get(key, lambda: ("value", 1))
    assert not cache._building
