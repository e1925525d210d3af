"""swiftlite.testing: private stores for other people's tests, in a child or a thread, and nothing left of them."""

import importlib.metadata
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import urllib.parse
from pathlib import Path

import pytest
import swiftclient

from swiftlite import testing
from swiftlite.testing.running import python_environment

MODES = pytest.mark.parametrize("in_process", [False, True], ids=["child", "thread"])


@MODES
def test_a_client_finds_it_and_nothing_is_left(in_process):
    with testing.store(in_process=in_process) as store:
        connection = swiftclient.Connection(store.auth_url, store.user.login, store.user.key)
        connection.put_container("c")
        etag = connection.put_object("c", "o", b"x" * 100_000)
        headers, body = connection.get_object("c", "o")
        assert (headers["etag"], len(body)) == (etag, 100_000)
        assert connection.url == store.storage_url
        connection.close()
        poll(lambda: (store.directory / "log/store.log").stat().st_size)
    assert not store.directory.exists()
    with pytest.raises(OSError):
        store.request("HEAD")


@pytest.mark.parametrize("version", ["environment", "environment_v3"])
def test_variables_lead_clients_to_it(version):
    with testing.store() as store:
        command = [
            sys.executable,
            "-c",
            "import sys; from swiftclient.shell import main; sys.exit(main())",
            "stat",
            "-v",
        ]
        environment = {**os.environ, **getattr(store, version)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert store.storage_url in done.stdout, done.stderr


@MODES
def test_each_is_private(in_process):
    with testing.store(in_process=in_process) as one, testing.store(in_process=in_process) as other:
        assert one.request("PUT", "c").status == 201
        assert one.request("PUT", f"c/{urllib.parse.quote('ö ?x')}?multipart-manifest=x").status == 201
        assert one.request("GET", "c").body == "ö ?x\n".encode()
        for path in ("c/ö", "c/o x", "c/o\n"):
            with pytest.raises(testing.StoreError, match=r"percent-encode its names by urllib\.parse\.quote"):
                one.request("PUT", path)
        assert other.request("HEAD", "c").status == 404
        assert {one.port, one.directory}.isdisjoint({other.port, other.directory})


def test_users_have_their_own_accounts():
    with testing.store(users={"a:one": "k1 .admin", "b:two": "k2 .admin"}) as store:
        one, two = store.users
        assert (one.login, two.key) == ("a:one", "k2")
        assert store.request("PUT", "c", user=two).status == 201
        assert store.request("HEAD", "c", user=one).status == 404
        forbidden = store.request("GET", "c", headers={"X-Auth-Token": "nonsense"}, user=two)
        assert forbidden.status == 401


def test_objects_have_the_type_of_their_names_or_the_one_that_is_given():
    with testing.store() as store:
        store.request("PUT", "c")
        types = {}
        for name, headers in [("a.txt", {}), ("a", {}), ("a.png", {"content-type": "image/x-ours"})]:
            assert store.request("PUT", f"c/{name}", b"x", headers).status == 201
            types[name] = store.request("HEAD", f"c/{name}").headers["Content-Type"]
    assert types == {"a.txt": "text/plain", "a": "application/octet-stream", "a.png": "image/x-ours"}


def test_users_may_have_any_name():
    users = {"te_st:a_b": "k .admin", "tü st:ü+": "schlüssel .admin", "Capital.9:x-y": "k .admin"}
    with testing.store(users=users) as store:
        for user in store.users:
            assert store.request("PUT", "c", user=user).status == 201, user
            assert store.request("GET", user=user).body == b"c\n", user
            connection = swiftclient.Connection(store.auth_url, user.login, user.key)
            assert [row["name"] for row in connection.get_account()[1]] == ["c"]


@pytest.mark.parametrize("in_process", [False, True], ids=["child", "thread"])
def test_a_process_with_green_threads_may_use_it(in_process):
    code = f"""if True:
        import eventlet
        eventlet.monkey_patch()
        from swiftlite import testing
        for _ in range(2):
            with testing.store(in_process={in_process}) as store:
                print(store.request("PUT", "c").status)
        """
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=python_environment(), timeout=300
    )
    assert (done.returncode, done.stdout) == (0, "201\n201\n"), done.stderr


def test_replicas_lie_on_devices_of_their_own():
    with testing.store(replicas=3) as store:
        store.request("PUT", "c")
        assert store.request("PUT", "c/o", b"thrice").status == 201

        def devices():
            return [path.relative_to(store.directory / "devices").parts[0] for path in store.directory.rglob("*.data")]

        poll(lambda: len(devices()) >= 3)
        assert sorted(devices()) == ["d1", "d2", "d3"]


def test_settings_and_policies_are_the_tests_to_choose():
    policies = {
        "storage-policy:0": {"name": "gold", "default": "yes"},
        "storage-policy:1": {"name": "silver"},
        "swift-constraints": {"max_file_size": "1000"},
    }
    settings = {"proxy": {"filter:tempurl": {"methods": "GET"}}}
    with testing.store(swift_conf=policies, settings=settings) as store:
        assert store.request("PUT", "c", headers={"X-Storage-Policy": "silver"}).status == 201
        assert store.request("PUT", "c/o", b"x" * 1000).status == 201
        assert store.request("PUT", "c/o", b"x" * 1001).status == 413
        assert list(store.directory.glob("devices/d1/objects-1/**/*.data"))
        info = swiftclient.Connection(store.auth_url, store.user.login, store.user.key).get_capabilities()
    assert info["tempurl"]["methods"] == ["GET"]


def test_daemons_run_when_they_are_told_to():
    with testing.store() as store:
        store.request("PUT", "c")
        assert store.request("PUT", "c/o", b"four", headers={"X-Delete-After": "1"}).status == 201
        store.settle()
        account = store.request("GET", "?format=json").json()
        assert [(row["name"], row["count"], row["bytes"]) for row in account] == [("c", 1, 4)]
        poll(lambda: store.request("HEAD", "c/o").status == 404)
        poll(lambda: expired(store))


def expired(store):
    store.run_daemon("object-expirer")
    return store.request("GET", "c?format=json").json() == []


@MODES
def test_a_store_that_cannot_start_says_why_and_leaves_nothing(in_process, tmp_path):
    settings = {"proxy": {"filter:tempauth": {"token_life": "a week"}}}
    with (
        pytest.raises(testing.StoreError, match="did not start") as caught,
        testing.store(settings=settings, in_process=in_process, directory=tmp_path),
    ):
        pass
    assert "token_life" in f"{caught.value} {caught.value.__cause__}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"settings": {"proxi": {}}}, "no server 'proxi'"),
        ({"settings": {"proxy": {"filter:tempurl": {"methodz": "GET"}}}}, "methodz.*did you mean methods"),
        ({"settings": {"object": {"DEFAULT": {"mount_chek": "no"}}}}, "mount_chek.*did you mean mount_check"),
        ({"swift_conf": {"swift-constraints": {"max_file_sizes": "1"}}}, "did you mean max_file_size"),
        ({"settings": {"proxy": {"filter:nope": {"x": "1"}}}}, "proxy-server.conf has no .filter:nope."),
        ({"settings": {"proxy": {"filter:tempurls": {}}}}, "did you mean filter:tempurl"),
        ({"settings": {"object": {"object-replicater": {"x": "1"}}}}, "did you mean object-replicator"),
        ({"swift_conf": {"swift-constraint": {"max_file_size": "1"}}}, "did you mean swift-constraints"),
        ({"replicas": 0}, "replicas is 0"),
        ({"port": 99999}, "port 99999"),
        ({"directory": "/nonexistent"}, "no directory /nonexistent"),
    ],
)
def test_a_slip_in_the_arguments_is_told(arguments, words, tmp_path):
    with pytest.raises(testing.StoreError, match=words), testing.store(**{"directory": tmp_path, **arguments}):
        pass
    assert list(tmp_path.iterdir()) == []


def test_paths_and_names_of_daemons():
    with testing.store(settings={"proxy": {"filter:tempurl": {"methods": "GET"}}, "expirer": {}}) as store:
        assert store.request("GET", "/info").json()["tempurl"]["methods"] == ["GET"]
        assert store.request("PUT", "c").status == 201
        assert store.request("PUT", "c/folder/", b"").status == 201
        assert store.request("HEAD", "c/folder/").status == 200
        with pytest.raises(testing.StoreError, match=r"object-expire'.*object-expirer"):
            store.run_daemon("object-expire")


def test_a_port_that_is_taken_is_told():
    with (
        testing.store() as store,
        pytest.raises(testing.StoreError, match=f"port {store.port}"),
        testing.store(port=store.port),
    ):
        pass


def test_a_failing_test_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), testing.store(directory=tmp_path) as store:
        assert store.request("PUT", "c").status == 201
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "whom", ["os.kill(os.getpid(), signal.SIGKILL)", "os.killpg(0, signal.SIGKILL)", "os.killpg(0, signal.SIGHUP)"]
)
def test_a_killed_test_run_leaves_nothing(whom, tmp_path):
    """Itself, or all of its process group, as by a terminal that closes."""
    program = textwrap.dedent(f"""
        import os, signal
        from swiftlite import testing
        with testing.store(directory={str(tmp_path)!r}) as store:
            assert store.request("PUT", "c").status == 201
            print(store.port, flush=True)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it, for all that it runs
            {whom}
            signal.pause()
    """)
    command = [sys.executable, "-c", program]
    how = {"capture_output": True, "text": True, "env": python_environment(), "start_new_session": True, "timeout": 300}
    done = subprocess.run(command, **how)
    assert done.returncode in (-signal.SIGKILL, -signal.SIGHUP) and done.stdout.strip().isdigit(), done.stderr
    poll(lambda: list(tmp_path.iterdir()) == [])
    poll(lambda: not processes_naming(str(tmp_path)))


def test_a_thread_leaves_neither_threads_nor_open_files():
    def use():
        with testing.store(in_process=True) as store:
            store.request("PUT", "c")
            assert store.request("PUT", "c/o", b"x" * 1_000_000).status == 201
            assert store.request("GET", "c/o").status == 200

    use()  # what is made once in a process
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    use()
    use()
    poll(lambda: threading.active_count() <= threads and len(os.listdir("/proc/self/fd")) <= files)


def test_what_a_store_in_a_thread_logs_can_be_caught(caplog):
    caplog.set_level("INFO")
    with testing.store(in_process=True) as store:
        store.request("PUT", "caught")
        poll(lambda: "PUT /v1/AUTH_test/caught" in (store.directory / "log/store.log").read_text())
        poll(lambda: any("PUT /v1/AUTH_test/caught" in record.getMessage() for record in caplog.records))


def test_pytest_finds_the_fixtures_by_itself(tmp_path):
    (entry,) = [entry for entry in importlib.metadata.entry_points(group="pytest11") if entry.name == "swiftlite"]
    assert entry.value == "swiftlite.testing.plugin"
    (tmp_path / "conftest.py").write_text(
        textwrap.dedent("""
            import pytest

            @pytest.fixture(scope="session")
            def swiftlite_options():
                return {"users": {"mine:me": "key .admin"}}
        """)
    )
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent("""
            import pathlib
            seen = []

            def test_one(swiftlite_store, swiftlite_shared_store):
                assert swiftlite_store.request("PUT", "c").status == 201
                assert swiftlite_shared_store.request("PUT", "c").status == 201
                seen.append(swiftlite_store.directory)

            def test_two(swiftlite_store, swiftlite_shared_store):
                assert swiftlite_store.user.login == "mine:me"
                assert swiftlite_store.request("HEAD", "c").status == 404
                assert swiftlite_shared_store.request("HEAD", "c").status == 204
                assert not seen[0].exists()
        """)
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=python_environment(), cwd=tmp_path)
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def processes_naming(word):
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word in place.read_text(errors="replace"):
                found.append(place)
        except OSError:
            continue  # it has ended
    return found


def poll(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
