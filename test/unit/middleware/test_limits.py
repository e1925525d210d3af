"""ratelimit and backend_ratelimit over real WSGI calls, with a clock that is handed in."""

import logging

import pytest

from fakes.wsgi_calls import call, make_environ, request
from swiftlite.common.cache import Cache
from swiftlite.common.config import ConfigError
from swiftlite.core.ratelimit import Step
from swiftlite.middleware.backend_ratelimit import BackendRateLimit, BackendRateLimitOptions
from swiftlite.middleware.ratelimit import Limits, RateLimit, RateLimitOptions, filter_factory

LOG = logging.getLogger("test-limits")


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self):
        self.now = 1_700_000_000.0
        self.waits = []

    def __call__(self):
        return self.now

    def pause(self, seconds):
        self.waits.append(round(seconds, 3))
        self.now += seconds


def server(sysmeta=None, count=0):
    """An application behind which an account and its containers are."""

    def app(environ, start_response):
        headers = [(f"X-Account-Sysmeta-{name}", value) for name, value in (sysmeta or {}).items()]
        start_response("200 OK", [*headers, ("X-Container-Object-Count", str(count))])
        return [b""]

    return app


def limited(clock, sysmeta=None, count=0, **options):
    writes, listings = options.pop("writes", ()), options.pop("listings", ())
    limits = Limits(RateLimitOptions(**options), writes, listings)
    app, cache = RateLimit(server(sysmeta, count), limits, LOG, clock, clock.pause), Cache()

    def ask(method, path):
        return call(app, {**make_environ(method, path), "swift.cache": cache}).status

    return ask


def test_containers_are_made_as_fast_as_the_account_may():
    clock = Clock()
    ask = limited(clock, account_ratelimit=2.0)
    assert {ask("PUT", f"/v1/a/c{number}") for number in range(4)} == {200}
    assert clock.waits == [0.5, 0.5, 0.5]
    clock.waits.clear()
    for method, path in (("POST", "/v1/a/c"), ("PUT", "/v1/a/c/o"), ("GET", "/v1/a/c"), ("PUT", "/v1/a")):
        ask(method, path)
    ask("DELETE", "/v1/other/c")
    ask("PUT", "/other/a/c")
    assert clock.waits == []


def test_a_rest_is_caught_up_with():
    clock = Clock()
    ask = limited(clock, account_ratelimit=1.0, rate_buffer_seconds=5)
    ask("PUT", "/v1/a/c")
    clock.now += 4
    assert {ask("PUT", "/v1/a/c") for _ in range(4)} == {200}
    assert clock.waits == []
    ask("PUT", "/v1/a/c")
    assert clock.waits == [1.0]


def test_what_would_wait_too_long_is_refused_and_does_not_count():
    clock = Clock()
    ask = limited(clock, account_ratelimit=0.1, max_sleep_time_seconds=5.0)
    assert [ask("PUT", "/v1/a/c") for _ in range(5)] == [200, 498, 498, 498, 498]
    clock.now += 10
    assert ask("PUT", "/v1/a/c") == 200
    assert clock.waits == []


@pytest.mark.parametrize(
    ("method", "path", "waits"),
    [
        ("PUT", "/v1/a/c/o", [0.1]),
        ("POST", "/v1/a/c/o", [0.1]),
        ("DELETE", "/v1/a/c/o", [0.1]),
        ("COPY", "/v1/a/c/o", [0.1]),
        ("GET", "/v1/a/c/o", []),
        ("GET", "/v1/a/c", [0.25]),
        ("HEAD", "/v1/a/c", []),
        ("GET", "/v1/a", []),
        ("GET", "/v1/a//o", []),
    ],
)
def test_big_containers_are_written_and_listed_slowly(method, path, waits):
    clock = Clock()
    ask = limited(clock, count=50, writes=(Step(0, 15.0), Step(100, 5.0)), listings=(Step(20, 4.0),))
    ask(method, path)
    ask(method, path)
    assert clock.waits == waits


@pytest.mark.parametrize(("value", "waits"), [("4", [0.25]), ("x", []), ("0", []), ("nan", []), ("-3", [])])
def test_an_account_may_have_a_limit_of_its_own_on_all_writes(value, waits):
    clock = Clock()
    ask = limited(clock, {"Global-Write-Ratelimit": value})
    for method in ("POST", "PUT", "GET", "HEAD"):
        ask(method, "/v1/a/c")
    assert clock.waits == waits


class SharedCounters(Cache):
    """Counters of several proxies; while one request has been counted and not yet judged, another one comes."""

    meanwhile = None

    def incr(self, key, delta=1, ttl=0):
        counter = super().incr(key, delta, ttl)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()
        return counter


def test_two_that_find_a_counter_behind_at_once_do_not_send_it_into_the_future():
    clock, cache = Clock(), SharedCounters()
    app = RateLimit(server(), Limits(RateLimitOptions(account_ratelimit=10.0)), LOG, clock, clock.pause)

    def ask():
        return call(app, {**make_environ("PUT", "/v1/a/c"), "swift.cache": cache}).status

    cache.meanwhile = ask
    assert [ask() for _ in range(3)] == [200, 200, 200]


def test_accounts_are_shut_out_or_know_no_limits():
    for options in ({"sysmeta": {"Global-Write-Ratelimit": "BLACKLIST"}}, {"account_blacklist": ("a",)}):
        clock = Clock()
        assert limited(clock, **options)("GET", "/v1/a") == 497
        assert clock.waits == [1.0]
    for options in ({"sysmeta": {"Global-Write-Ratelimit": "WHITELIST"}}, {"account_whitelist": ("a",)}):
        clock = Clock()
        ask = limited(clock, account_ratelimit=0.01, **options)
        assert {ask("PUT", "/v1/a/c") for _ in range(3)} == {200}
        assert clock.waits == []


def test_before_the_cache_nothing_is_limited_and_the_log_says_so_once(caplog):
    app = RateLimit(server(), Limits(RateLimitOptions(account_blacklist=("a",))), LOG)
    assert {request(app, "PUT", "/v1/a/c").status for _ in range(2)} == {200}
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("clock_accuracy", value) for value in ("0", "-1", "x")),
        *(("account_ratelimit", value) for value in ("nan", "inf", "-1")),
        *(("container_ratelimit_10", value) for value in ("nan", "inf", "-1", "x")),
        ("container_ratelimit_x", "1"),
        ("max_sleep_time_seconds", "nan"),
    ],
)
def test_limits_that_are_none_are_an_error_of_the_conf(name, value):
    with pytest.raises(ConfigError):
        filter_factory({}, **{name: value})


def test_the_lowest_rate_that_there_is_refuses_and_does_not_fail():
    ask = limited(Clock(), {"Global-Write-Ratelimit": "1e-320"})
    assert [ask("PUT", "/v1/a/c") for _ in range(2)] == [200, 498]


def backend(clock, conf=None, **options):
    app = BackendRateLimit(server(), BackendRateLimitOptions(**options), conf or {}, LOG, clock)
    return lambda method, path: request(app, method, path).status


def test_each_device_and_method_has_its_own_limit(tmp_path):
    clock = Clock()
    ask = backend(clock, swift_dir=str(tmp_path), put_requests_per_device_per_second=1.0)
    assert [ask("PUT", "/sda/1/a/c/o") for _ in range(3)] == [200, 529, 529]
    assert ask("PUT", "/sdb/1/a") == ask("GET", "/sda/1/a") == ask("PUT", "/healthcheck") == ask("PUT", "/sda/x") == 200
    clock.now += 1
    assert ask("PUT", "/sda/7/a") == 200


def test_all_methods_together_have_a_limit(tmp_path):
    ask = backend(Clock(), swift_dir=str(tmp_path), requests_per_device_per_second=1.0)
    assert [ask("GET", "/sda/1/a"), ask("PUT", "/sda/1/a"), ask("OPTIONS", "/sda/1/a")] == [200, 529, 200]


def test_the_file_is_read_again_and_goes_before_the_section(tmp_path):
    clock, file = Clock(), tmp_path / "backend-ratelimit.conf"
    file.write_text("[backend_ratelimit]\nrequests_per_device_per_second = 1\n")
    ask = backend(clock, swift_dir=str(tmp_path))
    assert [ask("GET", "/sda/1") for _ in range(2)] == [200, 529]
    file.write_text("[backend_ratelimit]\nrequests_per_device_per_second = nonsense\n")
    clock.now += 61
    assert [ask("GET", "/sda/1") for _ in range(4)].count(529) > 0
    file.write_text("[backend_ratelimit]\n")
    clock.now += 61
    assert {ask("GET", "/sda/1") for _ in range(5)} == {200}
