"""Specifies when a change counts as listed, and what the proxy does until then (doc/consistency.md)."""

import json

import pytest

from fakes.backends import Say, Seen

ROW = {"X-Timestamp": "0000000001.00000", "X-Size": "3", "X-Content-Type": "a/b", "X-Etag": "e"}


def is_row(seen: Seen) -> bool:
    """The fake ring places object and container on the same servers; only a row says who sends it and has no targets."""
    return "x-container-host" not in seen.headers


def rows(stage) -> list[tuple[str, str]]:
    return sorted((backend.name, seen.method) for backend in stage.backends for seen in backend.seen if is_row(seen))


def answering(
    stage, status: int, told: dict[str, bool], refuse: tuple[str, ...] = (), row: dict[str, str] | None = ROW
):
    """Object servers that report; as container servers some refuse.

    :param told: by name of the container's device: whether the object server that was to tell it could
    """
    names = {backend.name: "{}:{}/".format(*backend.thread.address[:2]) + backend.name for backend in stage.primaries}

    def script_of(backend):
        def script(seen: Seen) -> Say:
            if is_row(seen):
                return Say(503 if backend.name in refuse else 201)
            device = seen.headers["x-container-device"]
            headers = {"X-Backend-Container-Updated": names[device] if told[device] else ""}
            if not told[device] and row is not None:
                headers["X-Backend-Container-Row"] = json.dumps(row)
            return Say(status, {**headers, "Etag": '"e"'})

        return script

    for backend in stage.backends:
        backend.script = script_of(backend)


CHANGES = [("PUT", 201), ("POST", 202), ("DELETE", 204)]


@pytest.mark.parametrize(("method", "status"), CHANGES)
def test_nothing_is_left_to_do_where_a_majority_was_told(stage, method, status):
    answering(stage, status, {"d0": True, "d1": False, "d2": True})
    assert stage.call(method).status == status
    assert rows(stage) == []
    assert stage.cluster.late_rows == 0


@pytest.mark.parametrize(("method", "status"), CHANGES)
def test_the_proxy_tells_whom_nobody_told(stage, method, status):
    answering(stage, status, {"d0": False, "d1": False, "d2": True}, refuse=("d0",))
    assert stage.call(method).status == status
    stage.until(lambda: len(rows(stage)) == 2, "rows for both")
    operation = "DELETE" if method == "DELETE" else "PUT"
    assert rows(stage) == [("d0", operation), ("d1", operation)]
    (sent,) = [seen for seen in stage.primaries[1].seen if is_row(seen)]
    assert sent.path == "/d1/7/a/c/o"
    assert {name: sent.headers.get(name.lower()) for name in ROW} == ROW
    assert stage.cluster.late_rows == 0


def test_a_change_that_cannot_be_listed_is_acknowledged_and_counted(stage, caplog):
    answering(stage, 201, {"d0": False, "d1": False, "d2": True}, refuse=("d0", "d1"))
    assert stage.call("PUT").status == 201
    assert stage.cluster.late_rows == 1
    assert "Listings may lag behind /a/c/o" in caplog.text


def test_a_row_that_only_a_silent_server_knows(stage):
    answering(stage, 202, {"d0": False, "d1": False, "d2": True}, row=None)
    assert stage.call("POST").status == 202
    assert rows(stage) == []
    assert stage.cluster.late_rows == 1


def test_the_share_of_a_server_that_is_down_is_told_by_the_proxy(stage):
    answering(stage, 201, {"d0": True, "d1": True, "d2": False})
    for backend in (stage.primaries[0], *stage.handoffs):
        backend.says(507)
    stage.primaries[0].script = lambda seen: Say(201 if is_row(seen) else 507)
    assert stage.call("PUT").status == 201
    assert stage.cluster.late_rows == 0


def test_what_middleware_replaces_only_the_object_servers_can_spell(stage):
    answering(stage, 201, {"d0": False, "d1": False, "d2": True}, row=None)
    assert stage.call("PUT", headers={"X-Backend-Container-Update-Override-Size": "9"}).status == 201
    assert rows(stage) == []
    assert stage.cluster.late_rows == 1


def test_with_eventual_nobody_waits_or_asks(staged):
    stage = staged(listing_consistency="eventual")
    answering(stage, 201, {"d0": False, "d1": False, "d2": False})
    assert stage.call("PUT").status == 201
    assert rows(stage) == []
    assert all("x-backend-report-container-update" not in seen.headers for seen in stage.seen)


def test_servers_that_report_nothing_are_told_of_once(stage, caplog):
    stage.all_say(Say(201, {"Etag": '"e"'}))
    for _ in range(2):
        assert stage.call("PUT").status == 201
    assert rows(stage) == []
    assert caplog.text.count("listings may lag") == 1


@pytest.mark.parametrize("consistency", ["eventual", "quorum"])
def test_a_lost_replica_s_containers_are_told_in_the_background(staged, consistency):
    stage = staged(listing_consistency=consistency)
    answering(stage, 204, {"d0": True, "d1": True, "d2": True})
    for backend in stage.backends[2:]:
        backend.script = lambda seen: Say(204 if is_row(seen) else 507)
    assert stage.call("DELETE").status == 204
    stage.until(lambda: rows(stage), "the row")
    ((_, operation),) = rows(stage)
    assert operation == "DELETE"
