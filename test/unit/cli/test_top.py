"""What swiftlite-top makes of answers, draws, and does when keys are pressed; that it runs is shown in functional."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.cli import cluster_files, container_info, object_info, recon, top
from swiftlite.cli.top_frame import COLUMNS, DEVICES, HOSTS, State, frame, pressed
from swiftlite.core.metrics_text import Sample
from swiftlite.watch.facts import Asked, Server
from swiftlite.watch.gathering import NO_METRICS
from swiftlite.watch.rows import Look, chosen, device_rows, host_rows

TB = 10**12
NOW = 10000.0


def metrics(count, errors=0, slow=0):
    buckets = {"0.01": count - slow, "1.0": count, "+Inf": count}
    return {
        "swiftlite_requests_total": [Sample({"status": "200"}, count - errors), Sample({"status": "500"}, errors)],
        "swiftlite_request_seconds_bucket": [Sample({"le": end}, value) for end, value in buckets.items()],
        "swiftlite_request_seconds_sum": [Sample({}, count * 0.005)],
    }


def storage(ip, kind, used=0.5, count=None, **changes):
    disk = {"device": "sda", "size": TB, "free": TB * (1 - used), "inodes": 100, "inodes_free": 90}
    answers = {
        "load": {"1m": 0.25},
        "facts": {"devices": [{**disk, "async_pending": 3, "async_oldest": NOW - 300}]},
        f"replication/{kind}": {"replication_last": NOW - 120},
        "devices": {"/srv/node": ["sda"]},
        "quarantined": {"objects": 1, "containers": 0, "accounts": 0},
        "unmounted": [],
        **({"metrics": metrics(count)} if count is not None else {}),
        **changes,
    }
    return Asked(Server(kind, ip, 6200, {kind: ("sda",)}), answers)


def look(*asked, taken=NOW):
    return Look(taken, asked)


def texts(lines):
    return [line.text for line in lines]


def test_a_host():
    [row] = host_rows(look(storage("10.0.0.1", "object"), storage("10.0.0.1", "account")))
    assert (row.up, row.servers, row.devices, row.lost) == (2, 2, 1, 0)
    assert (row.fill, row.free, row.updates, row.update_age) == (50.0, TB / 2, 3, 300)
    assert (row.replication, row.quarantined, row.load) == (120, 1, 0.25)
    assert (row.rate, row.mean) == (None, None)
    assert row.style == "warn"


def test_rates_are_of_the_time_between_two_looks():
    before = look(storage("10.0.0.1", "object", count=100), taken=NOW - 2)
    after = look(replace(storage("10.0.0.1", "object"), answers={"metrics": metrics(120, errors=4, slow=10)}))
    [row] = host_rows(after, before)
    assert (row.rate, row.errors, row.mean) == (10.0, 2.0, pytest.approx(5.0))
    assert 10 < row.slow <= 1000


def test_a_host_that_is_down_or_lacks_a_device_is_bad():
    gone = Asked(Server("object", "10.0.0.1", 6200, {"object": ("sda",)}), problem="refused")
    lacking = storage("10.0.0.2", "object", devices={"/srv/node": []}, facts={})
    rows = {row.ip: row for row in host_rows(look(gone, lacking))}
    assert [(row.up, row.lost, row.style) for row in rows.values()] == [(0, 0, "bad"), (1, 1, "bad")]
    [device] = device_rows(look(gone, lacking))
    assert (device.ip, device.problem, device.style) == ("10.0.0.2", "missing", "bad")


def test_a_device_that_is_closed_is_not_called_unmounted():
    told = [{"device": "sda", "mounted": False, "problem": "Permission denied", "closed": "/srv/node/sda"}]
    [device] = device_rows(look(storage("10.0.0.1", "object", facts={"devices": told})))
    assert (device.problem, device.style) == ("closed to the servers", "bad")
    told = [{"device": "sda", "size": TB, "free": TB, "closed": "/srv/node/sda/objects"}]
    [device] = device_rows(look(storage("10.0.0.1", "object", facts={"devices": told})))
    assert (device.problem, device.free) == ("closed to the servers", TB)
    facts = {"devices": [], "closed_root": "/srv"}
    [device] = device_rows(look(storage("10.0.0.1", "object", facts=facts, devices={"/srv/node": None})))
    assert device.problem == "closed to the servers"


@pytest.mark.parametrize("filesystems, free", [((5, 5), 1), ((5, 6), 2), ((None, None), 2), ((5, None), 2)])
def test_directories_of_one_filesystem_share_what_is_free(filesystems, free):
    told = [
        {"device": f"d{number}", "size": TB, "free": TB, "filesystem": filesystem}
        for number, filesystem in enumerate(filesystems)
    ]
    one = storage("10.0.0.1", "object", facts={"devices": told}, devices={"/srv/node": ["d0", "d1"]})
    one = replace(one, server=replace(one.server, devices={"object": ("d0", "d1")}))
    [row] = host_rows(look(one))
    assert (row.devices, row.free) == (2, free * TB)


def test_rows_are_chosen_by_words_and_ordered():
    rows = host_rows(
        look(*(storage(f"10.0.0.{number}", "object", used=used) for number, used in ((1, 0.2), (2, 0.9), (3, 0.5))))
    )
    fill = next(column for column in COLUMNS[HOSTS] if column.title == "FILL").key
    assert [row.ip for row in chosen(rows, "", fill, True)] == ["10.0.0.2", "10.0.0.3", "10.0.0.1"]
    assert [row.ip for row in chosen(rows, "0.3", fill, True)] == ["10.0.0.3"]
    assert [row.ip for row in chosen(rows, "10. .1", fill, False)] == ["10.0.0.1"]
    rate = next(column for column in COLUMNS[HOSTS] if column.title == "REQ/S").key
    assert len(chosen(rows, "", rate, True)) == 3  # nobody tells


def test_a_frame():
    lines = texts(frame(look(storage("10.0.0.1", "object"), storage("10.0.0.2", "object", used=0.97)), None, State()))
    assert "2 hosts, 2/2 servers up, 2/2 devices" in lines[0]
    assert lines[1] == "requests: no server answers /metrics; 6 updates wait, 2 in quarantine, 0 error-limited"
    assert lines[4].split() == [
        "HOST^",
        "UP",
        "REQ/S",
        "5XX/S",
        "MEAN",
        "ms",
        "99%",
        "ms",
        "DISKS",
        "FILL",
        "FREE",
        "ASYNC",
        "OLDEST",
        "REPL",
        "QUAR",
        "LOAD",
    ]
    assert lines[5].split() == [
        "10.0.0.1",
        "1/1",
        "-",
        "-",
        "-",
        "-",
        "1/1",
        "50%",
        "500",
        "GB",
        "3",
        "5m",
        "2m",
        "1",
        "0.25",
    ]


def test_clients_requests_are_those_of_the_proxies():
    def asked(count, taken):
        proxy = Asked(Server("proxy", "10.0.0.9", 8080), {"metrics": metrics(count)})
        return look(storage("10.0.0.1", "object", count=count * 3), proxy, taken=taken)

    lines = texts(frame(asked(50, NOW), asked(30, NOW - 2), State()))
    assert lines[1].startswith("clients' requests: 10.0/s, 0.0/s 5xx, 99% within 9.9 ms;")


@pytest.mark.parametrize(
    "proxy, why",
    [
        ({"problem": "the answer is no HTTP"}, "10.0.0.9:443: the answer is no HTTP"),  # it speaks TLS
        ({"problems": {"load": "status 404", "metrics": "status 500"}}, "10.0.0.9:443: /metrics: status 500"),
        ({"problems": {"metrics": NO_METRICS}}, f"10.0.0.9:443: {NO_METRICS}"),
    ],
)
def test_a_proxy_that_does_not_tell_of_requests_says_why(proxy, why):
    def asked(count, taken):
        silent = Asked(Server("proxy", "10.0.0.9", 443), **proxy)
        return look(storage("10.0.0.1", "object", count=count), silent, taken=taken)

    lines = texts(frame(asked(50, NOW), asked(30, NOW - 2), State()))
    assert lines[1].startswith("requests between servers: 10.0/s, 0.0/s 5xx, 99% within 9.9 ms; ")
    assert f"; clients' requests: unknown (proxy {why}); 3 updates wait" in lines[1]
    assert texts(frame(asked(50, NOW), None, State()))[1].startswith(f"clients' requests: unknown (proxy {why})")


def test_devices():
    lines = texts(frame(look(storage("10.0.0.1", "object", used=0.9)), None, State(page=DEVICES)))
    assert lines[4].split() == ["HOST^", "DEVICE", "FILL", "FREE", "SIZE", "INODES", "PROBLEM"]
    assert lines[5].split() == ["10.0.0.1", "sda", "90%", "100", "GB", "1", "TB", "10%", "-"]


def test_names_cannot_move_the_cursor():
    strange = storage("10.0.0.1", "object", unmounted=[{"device": "x\x1b[2J", "mounted": "\x07"}])
    assert not any("\x1b" in line or "\x07" in line for line in texts(frame(look(strange), None, State(page=DEVICES))))


@pytest.mark.parametrize(
    "keys, state",
    [
        ("s", State(sort=1)),
        ("r", State(is_reversed=True)),
        ("ssd", State(page=DEVICES)),
        ("dd", State()),
        ("p", State(is_paused=True)),
        (["/", "q", "s", "backspace", "enter"], State(words="q")),
        (["/", "q", "escape"], State()),
        (["/", "q", "enter", "escape"], State()),
        ("s" * len(COLUMNS[HOSTS]), State()),
        (["resize", "x"], State()),
    ],
    ids=str,
)
def test_keys(keys, state):
    now = State()
    for key in keys:
        now = pressed(now, key)
    assert now == state


@given(st.lists(st.sampled_from(["s", "r", "d", "/", "p", "a", "enter", "escape", "backspace"]), max_size=20))
def test_whatever_is_pressed_there_is_a_frame(keys):
    state = State()
    for key in keys:
        state = pressed(state, key)
    assert len(frame(look(storage("10.0.0.1", "object")), None, state)) >= 5


def test_without_a_ring(tmp_path, capsys):
    assert top.main(["--swiftdir", str(tmp_path)]) == 1
    assert "there is no ring" in capsys.readouterr().err
    for tool, option in ((top, "--swiftdir"), (recon, "--swiftdir"), (object_info, "-d"), (container_info, "-d")):
        assert tool.main([option, str(tmp_path / "none"), *([] if option == "--swiftdir" else [__file__])]) == 1
        told = capsys.readouterr().err
        assert told.startswith(f"there is no {tmp_path}/none") and f" by {option} (all-in-one: DIR/etc)" in told


@pytest.mark.parametrize(
    "bind_ip, ips, expected",
    [
        ("0.0.0.0", ("127.0.0.5",), "127.0.0.5"),  # the machine is one host, and not two
        ("0.0.0.0", ("127.0.0.5", "127.0.0.6"), "127.0.0.1"),
        ("127.0.0.9", ("127.0.0.5",), "127.0.0.9"),
        ("0.0.0.0", (), "127.0.0.1"),
    ],
)
def test_a_proxy_that_listens_everywhere_is_on_the_host_of_its_machine(tmp_path, bind_ip, ips, expected):
    (tmp_path / "proxy-server.conf").write_text(f"[DEFAULT]\nbind_ip = {bind_ip}\nbind_port = 8080\n")
    servers = [Server("object", ip, 6200, is_local=True) for ip in ips] + [Server("object", "10.9.9.9", 6200)]
    assert cluster_files.local_proxies(str(tmp_path), servers) == [(expected, 8080)]
