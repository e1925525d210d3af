"""The documents of administrators: who gets them, what is answered when nobody can look, and how long a look is good."""

import json
import os
import signal

import pytest

from fakes.wsgi_calls import request
from swiftlite.common.concurrency import Event, reset_after_fork, sleep, spawn
from swiftlite.common.config import StartError
from swiftlite.common.log import get_logger
from swiftlite.middleware import console
from swiftlite.middleware.console.admin import AdminDocuments
from swiftlite.middleware.console.kept import Kept, KeptByAll
from swiftlite.middleware.console.shared import HEAD, SharedBytes

ADMIN, USER, BAD = "admin", "user", "bad"
NAMES = ("cluster.json", "requests.json")


def pipeline(environ, start_response):
    """Tokens are called after whom they are of."""
    token = environ.get("HTTP_X_AUTH_TOKEN")
    if token == ADMIN:
        environ["reseller_request"] = True
    if token in (ADMIN, USER):
        environ["REMOTE_USER"] = token
    start_response("200 OK", [])
    return [b""]


class Watch:
    """Stands in for the nodes."""

    def __init__(self, find):
        self.documents = {name: Kept(find, 10) for name in NAMES}


def ask(find, name, token, method="GET"):
    app = console.filter_factory({})(pipeline)
    app.admin = AdminDocuments(pipeline, Watch(find) if find else None, get_logger({}, "test"))
    return request(app, method, f"/console/{name}", headers={"X-Auth-Token": token} if token else {})


def found():
    return b'{"all": "well"}'


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("token", "status"), [(ADMIN, 200), (USER, 403), (BAD, 401), ("", 401)])
def test_only_admins_get_them(name, token, status):
    asked = []
    answer = ask(lambda: asked.append(1) or found(), name, token)
    assert answer.status == status
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("application/json", "no-store")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert bool(asked) == (status == 200)
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert set(json.loads(answer.body)) == ({"all"} if status == 200 else {"problem"})


@pytest.mark.parametrize(("token", "rights"), [(ADMIN, {"cluster": True}), (USER, {"cluster": False})])
def test_anybody_learns_what_there_is_for_them(token, rights):
    assert json.loads(ask(found, "rights.json", token).body) == rights


def test_switched_off():
    assert json.loads(ask(None, "rights.json", ADMIN).body) == {"cluster": False}
    assert ask(None, "cluster.json", ADMIN).status == 404
    app = console.filter_factory({}, cluster="no")(pipeline)
    assert request(app, "GET", "/console/cluster.json", headers={"X-Auth-Token": ADMIN}).status == 404


def test_head_and_others():
    assert (ask(found, "cluster.json", ADMIN, "HEAD").status, ask(found, "cluster.json", ADMIN, "HEAD").body) == (
        200,
        b"",
    )
    assert ask(found, "cluster.json", ADMIN, "POST").status == 405


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError(2, "No such file or directory", "/etc/swift"), "/etc/swift"),
        (StartError("/etc/swift/backend.pem: no certificate"), "backend.pem"),
        (ZeroDivisionError(), "log"),
    ],
)
def test_a_proxy_that_cannot_look_says_so(error, said):
    def fail():
        raise error

    answer = ask(fail, "cluster.json", ADMIN)
    assert answer.status == 503
    assert said in json.loads(answer.body)["problem"]


def test_without_rings_that_can_be_read(tmp_path):
    app = console.filter_factory({"swift_dir": str(tmp_path / "none")})(pipeline)
    answer = request(app, "GET", "/console/cluster.json", headers={"X-Auth-Token": ADMIN})
    assert answer.status == 503
    assert "none" in json.loads(answer.body)["problem"]


# --- how long a look is good ---


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Slow:
    """Finds something out when it is let."""

    def __init__(self):
        self.calls, self.gate = 0, Event()

    def __call__(self):
        self.calls += 1
        self.gate.wait()
        return self.calls


def test_many_who_ask_at_once_cost_one_look():
    slow = Slow()
    kept = Kept(slow, 10)
    askers = [spawn(kept.get) for _ in range(10)]
    sleep()
    slow.gate.send()
    assert [asker.wait() for asker in askers] == [1] * 10


def test_it_is_good_for_its_age_and_longer_where_it_took_long():
    clock = Clock()

    def find():
        clock.now += cost
        return clock.now

    cost = 1.0
    kept = Kept(find, 10, clock)
    assert kept.get() == 1.0
    clock.now = 10.9
    assert kept.get() == 1.0
    cost, clock.now = 20.0, 11.0
    assert kept.get() == 31.0
    clock.now = 31.0 + 59
    assert kept.get() == 31.0
    clock.now = 31.0 + 60
    assert kept.get() == 111.0


def test_where_a_new_look_is_slow_the_old_one_does():
    clock, slow = Clock(), Slow()
    kept = Kept(slow, 10, clock)
    assert kept.get(longest=0.01) is None
    slow.gate.send()
    sleep()
    assert kept.get() == 1
    clock.now, slow.gate = 100.0, Event()
    assert kept.get(patience=0.01) == 1
    slow.gate.send()
    sleep()
    assert (kept.get(), slow.calls) == (2, 2)


def test_after_a_failure_it_is_tried_again():
    results = iter([OSError("ill"), OSError("still ill"), "well"])

    def find():
        result = next(results)
        if isinstance(result, Exception):
            raise result
        return result

    kept = Kept(find, 10)
    for text in ("ill", "still ill"):
        with pytest.raises(OSError, match=text):
            kept.get()
    assert kept.get() == "well"


# --- several workers ---


def fork_worker(work):
    """A process that does something and says by its exit status whether it came to an end; returns its id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        reset_after_fork()
        work()
        os._exit(0)
    finally:
        os._exit(1)


def test_workers_look_once_for_all(tmp_path):
    looks = tmp_path / "looks"

    def find():
        with looks.open("a") as file:
            file.write("look\n")
        sleep(0.2)  # while the others ask
        return b"found by %d" % os.getpid()

    kept = KeptByAll(find, 60)

    def work():
        (tmp_path / str(os.getpid())).write_bytes(kept.get())

    workers = [fork_worker(work) for _ in range(3)]
    assert [os.waitpid(pid, 0)[1] for pid in workers] == [0, 0, 0]
    told = {kept.get(), *((tmp_path / str(pid)).read_bytes() for pid in workers)}
    assert told in [{b"found by %d" % pid} for pid in workers]
    assert looks.read_text() == "look\n"


def test_a_worker_that_dies_looking_keeps_nobody_waiting(tmp_path):
    begun, gone = os.pipe()

    def find():
        if os.getpid() != ours:
            os.write(gone, b"x")
            os.kill(os.getpid(), signal.SIGKILL)
        return b"found"

    ours = os.getpid()
    kept = KeptByAll(find, 60)
    pid = fork_worker(kept.get)
    assert os.read(begun, 1) == b"x"
    assert kept.get() == b"found"
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
    os.close(begun)
    os.close(gone)


def test_what_is_shared_is_whole_or_not_there():
    shared = SharedBytes()
    assert shared.read(0.0) is None
    for value in (b"long" * 100_000, b"short", b""):
        shared.write(value, 60.0)
        assert shared.read(59.0) == (value, 60.0)
        assert shared.read(60.0) is None
    shared.write(b"whole", 60.0)
    os.pwrite(shared._file, b"H", HEAD.size + 4)  # as another process that has begun to write
    assert shared.read(0.0) is None
