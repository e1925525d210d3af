"""The cache: one process, many processes, and the race between a fetch and an invalidation."""

import multiprocessing
import os

import pytest

from swiftlite.common import cache as module
from swiftlite.common.cache import Cache, CacheUnreachable


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class FakeStore:
    """A memcached in this process that can be taken away."""

    def __init__(self):
        self.values = {}
        self.dead = False
        self.gets = 0
        self.during_set = self.during_delete = lambda: None

    def _alive(self):
        if self.dead:
            raise CacheUnreachable

    def get(self, key):
        self._alive()
        self.gets += 1
        return self.values.get(key)

    def set(self, key, value, ttl):
        self._alive()
        self.during_set()
        self.values[key] = value

    def delete(self, key):
        self._alive()
        self.during_delete()
        self.values.pop(key, None)

    def incr(self, key, delta, ttl):
        self._alive()
        self.values[key] = max(0, self.values.get(key, 0) + delta)
        return self.values[key]


def test_values_live_for_their_seconds():
    clock = Clock()
    cache = Cache(clock=clock)
    assert cache.get("k") is None
    cache.set("k", {"a": 1}, 60)
    clock.now += 59.9
    assert cache.get("k") == {"a": 1}
    clock.now += 0.1
    assert cache.get("k") is None


def test_set_replaces_and_delete_forgets():
    cache = Cache()
    cache.set("k", 1, 60)
    cache.set("k", 2, 60)
    assert cache.get("k") == 2
    cache.delete("k")
    assert cache.get("k") is None
    cache.delete("never there")


def test_what_was_fetched_before_an_invalidation_is_not_kept():
    cache = Cache()
    token = cache.begin("k")
    cache.delete("k")
    cache.set("k", "stale", 60, token)
    assert cache.get("k") is None
    token = cache.begin("k")
    cache.set("k", "fresh", 60, token)
    assert cache.get("k") == "fresh"


def test_a_fetched_value_does_not_invalidate_that_of_others():
    """Or two workers that fetch the same thing would throw out each other's entries for ever."""
    cache = Cache()
    before = cache.begin("k")
    cache.set("k", 1, 60, before)
    assert cache.begin("k") == before


def test_the_oldest_entries_go_first(monkeypatch):
    monkeypatch.setattr(module, "MAXIMUM_ENTRIES", 3)
    cache = Cache()
    for key in "abcd":
        cache.set(key, key, 60)
    assert [cache.get(key) for key in "abcd"] == [None, "b", "c", "d"]


def test_counters():
    clock = Clock()
    cache = Cache(clock=clock)
    assert [cache.incr("n", 2, 10), cache.incr("n", 3, 10), cache.incr("n", -9, 10)] == [2, 5, 0]
    cache.incr("n", 7, 10)
    clock.now += 10
    assert cache.incr("n", 1, 10) == 1


def test_counters_are_bounded_too(monkeypatch):
    """What is counted is often named by clients: wrong logins by user and address."""
    monkeypatch.setattr("swiftlite.common.cache.MAXIMUM_ENTRIES", 3)
    cache = Cache()
    for number in range(10):
        cache.incr(f"n{number}", 1, 60)
    assert len(cache._entries) == 3
    assert [cache.incr("n9", 1, 60), cache.incr("n0", 1, 60)] == [2, 1]


def serve(cache, commands, answers):
    """A worker: does what it is told."""
    for name, *arguments in iter(commands.get, None):
        answers.put(getattr(cache, name)(*arguments))


@pytest.fixture
def workers():
    """One cache in three processes that were forked after it was made, as the workers of a server are."""
    context = multiprocessing.get_context("fork")
    cache = Cache()
    running = []
    for _ in range(3):
        commands, answers = context.SimpleQueue(), context.SimpleQueue()
        process = context.Process(target=serve, args=(cache, commands, answers))
        process.start()

        def ask(*command, commands=commands, answers=answers):
            commands.put(command)
            return answers.get()

        running.append((process, commands, ask))
    yield [ask for _, _, ask in running]
    for process, commands, _ in running:
        commands.put(None)
        process.join()


def test_what_one_worker_deletes_no_other_goes_on_using(workers):
    for worker in workers:
        worker("set", "container/a/c", "old", 60, worker("begin", "container/a/c"))
    assert [worker("get", "container/a/c") for worker in workers] == ["old"] * 3
    workers[1]("delete", "container/a/c")
    assert [worker("get", "container/a/c") for worker in workers] == [None] * 3


def test_what_one_worker_replaces_no_other_goes_on_using(workers):
    for worker in workers:
        worker("set", "k", "old", 60, worker("begin", "k"))
    workers[0]("set", "k", "new", 60)
    assert [worker("get", "k") for worker in workers] == ["new", None, None]


def test_a_fetch_that_began_before_another_worker_deleted_is_not_kept(workers):
    token = workers[0]("begin", "k")
    workers[2]("delete", "k")
    workers[0]("set", "k", "stale", 60, token)
    assert workers[0]("get", "k") is None


def test_two_workers_that_invalidate_at_once_do_not_undo_each_other(workers):
    """Both see generation g; were the new one g + 1, the second would bring back what the first had ended."""
    seen = {workers[0]("begin", "k")}
    for worker in (*workers, *workers):
        worker("delete", "k")
        seen.add(workers[0]("begin", "k"))
    assert len(seen) == 7


def test_workers_of_one_server_share_nothing_with_another_server():
    ours, theirs = Cache(), Cache()
    ours.set("k", 1, 60)
    assert theirs.get("k") is None
    assert os.getpid()


# -- over memcached ---------------------------------------------------------------------------------------------------


def over(store, clock=None):
    return Cache(store, clock=clock or Clock())


def test_memcached_is_asked_at_most_once_a_second():
    clock, store = Clock(), FakeStore()
    cache = over(store, clock)
    store.values["k"] = "value"
    assert [cache.get("k") for _ in range(5)] == ["value"] * 5
    assert store.gets == 1
    store.values["k"] = "changed by another machine"
    clock.now += 1
    assert cache.get("k") == "changed by another machine"


def test_that_something_is_missing_is_asked_for_again_for_another_machine_may_have_made_it():
    store = FakeStore()
    cache = over(store)
    cache.set("container/a/c", {"status": 404}, 6, cache.begin("container/a/c"))
    assert cache.get("container/a/c") == {"status": 404}
    store.values.clear()
    assert cache.get("container/a/c") is None
    store.values["container/a/c"] = {"status": 200}
    assert cache.get("container/a/c") == {"status": 200}


def test_what_memcached_does_not_have_is_asked_for_again():
    store = FakeStore()
    cache = over(store)
    assert cache.get("k") is None
    store.values["k"] = "now"
    assert cache.get("k") == "now"


def test_an_invalidation_during_the_write_leaves_nothing_behind():
    store = FakeStore()
    cache = over(store)
    token = cache.begin("k")
    store.during_set = lambda: cache.delete("k")
    cache.set("k", "stale", 60, token)
    assert store.values == {}
    assert cache.get("k") is None


def test_what_someone_read_while_it_was_deleted_is_not_kept():
    store = FakeStore()
    cache = over(store)
    cache.set("k", "old", 60)
    store.during_delete = lambda: cache.get("k")
    cache.delete("k")
    assert cache.get("k") is None


def test_a_dead_memcached_is_a_slow_cache_not_an_error():
    store = FakeStore()
    cache = over(store)
    cache.set("k", "kept", 60)
    store.dead = True
    assert cache.get("other") is None
    cache.set("k", "new", 60)
    assert cache.get("k") == "new"
    cache.delete("k")
    assert cache.get("k") is None
    assert [cache.incr("n", 2, 60), cache.incr("n", 2, 60)] == [2, 4]


def test_who_must_know_is_told_that_memcached_is_dead():
    store = FakeStore()
    store.dead = True
    cache = over(store)
    with pytest.raises(CacheUnreachable):
        cache.get("k", strict=True)
    with pytest.raises(CacheUnreachable):
        cache.set("k", 1, 60, strict=True)


@pytest.mark.parametrize("dead", [None, False, True])
def test_a_counter_can_be_set_and_goes_on_from_there(dead):
    store = None if dead is None else FakeStore()
    cache = Cache(store)
    if store:
        store.dead = dead
    generation = cache.begin("k")
    cache.restart("k", 100, 60)
    assert cache.incr("k", 5, 60) == 105
    assert cache.begin("k") == generation, "counters of other processes were forgotten"


def test_counters_do_not_pile_up(monkeypatch):
    monkeypatch.setattr(module, "MAXIMUM_ENTRIES", 10)
    cache = Cache()
    for number in range(50):
        cache.incr(f"k{number}", 1, 60)
    assert len(cache._entries) <= 10
