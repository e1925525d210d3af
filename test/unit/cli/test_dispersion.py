"""The dispersion tools' rules: which names cover which partitions, what a report says, how far one is; dispersion.conf."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.cli import dispersion_populate, dispersion_report
from swiftlite.cli.dispersion import (
    CLEAR_LINE,
    DispersionOptions,
    Progress,
    choose_names,
    load_options,
    time_units,
)
from swiftlite.cli.dispersion_report import Place, Searcher, Tally, identifier, missing_line, places_of
from swiftlite.cli.storage_api import StorageApi
from swiftlite.cli.tool import ToolError
from swiftlite.common.config import ConfigError
from swiftlite.core.names import EntityName
from swiftlite.ring.ring import Node

CONF = "[dispersion]\nauth_url = http://h/auth/v1.0\nauth_user = u\nauth_key = k\n"


def node(number=1, ip="10.0.0.1"):
    return Node(number, 1, 1, ip, 6200, ip, 6200, f"sd{number}", 1.0)


def partition_of(name):
    return zlib.crc32(name.encode()) % 16


@given(st.sets(st.integers(0, 15)), st.integers(0, 20), st.integers(0, 40))
def test_every_name_covers_a_partition_of_its_own(open_partitions, count, suffix_start):
    left = set(open_partitions)
    chosen = list(choose_names("n", partition_of, left, count, suffix_start))
    covered = {partition_of(choice.name) for choice in chosen}
    assert len(chosen) == len(covered) == min(count, len(open_partitions))
    assert covered == open_partitions - left
    assert all(choice.is_new == (int(choice.name[1:]) >= suffix_start) for choice in chosen)


def test_the_same_names_are_chosen_again_and_more_when_more_are_wanted():
    few, many = (list(choose_names("n", partition_of, set(range(16)), count)) for count in (3, 9))
    assert many[:3] == few


@pytest.mark.parametrize(
    "seconds, expected",
    [(0, (0, "s")), (60, (60, "s")), (90, (1.5, "m")), (3600, (60, "m")), (5400, (1.5, "h")), (900000, (250, "h"))],
)
def test_time_is_told_in_the_largest_unit(seconds, expected):
    assert time_units(seconds) == expected


def test_progress_is_told_now_and_then(capsys):
    times = iter([0.0, 1.0, 2.0, 6.9, 130.0, 130.0])
    progress = Progress("Creating objects", 4, clock=lambda: next(times))
    told = []
    for _ in range(4):
        progress.step(7)
        told.append(capsys.readouterr().out)
    assert told == [
        *["", f"{CLEAR_LINE}Creating objects: 2 of 4, 2s left, 7 retries", ""],
        f"{CLEAR_LINE}Creating objects: 4 of 4, 0s left, 7 retries",
    ]
    assert progress.elapsed == "2m"


@pytest.mark.parametrize(
    "partitions, missing, copies, expected",
    [
        (1, 1, 3, "There was 1 partition missing 1 copy."),
        (5, 1, 3, "There were 5 partitions missing 1 copy."),
        (1, 2, 3, "! There was 1 partition missing 2 copies."),
        (2, 3, 3, "!!! There were 2 partitions missing all copies."),
        (1, 1, 1, "!!! There was 1 partition missing all copy."),
    ],
)
def test_partitions_that_lack_copies(partitions, missing, copies, expected):
    assert missing_line(partitions, missing, copies) == expected


def tally():
    places = [Place(EntityName("a", f"c{n}"), n, [node(1), node(2), node(3)]) for n in range(4)]
    made = Tally(5, places)
    for place, found in zip(places, (3, 2, 2, 0), strict=True):
        made.add(place, found, 1)
    return made


def test_a_report_as_json():
    assert tally().as_json() == {
        "retries": 4,
        "overlapping": 1,
        "pct_found": 700 / 12,
        "copies_found": 7,
        "copies_expected": 12,
        "missing_1": 2,
        "missing_3": 1,
    }


def test_a_report_for_a_person():
    class Ring:
        replica_count, partition_count = 3, 32

    assert tally().lines("object", Ring, "3s") == [
        f"{CLEAR_LINE}Queried 5 objects for dispersion reporting, 3s, 4 retries",
        "There were 1 overlapping partitions",
        "There were 2 partitions missing 1 copy.",
        "!!! There was 1 partition missing all copies.",
        "58.33% of object copies found (7 of 12)",
        "Sample represents 12.50% of the object partition space",
    ]


def test_a_partition_is_looked_at_once():
    class Ring:
        @staticmethod
        def get_nodes(account, container, object_name):
            return {"c1": 7, "c2": 9, "c3": 7}[container], (node(),)

    listed, places = places_of([EntityName("a", f"c{n}") for n in (1, 2, 3)], Ring)
    assert (listed, [place.name.container for place in places]) == (3, ["c1", "c2"])


def test_a_node_that_does_not_answer_is_asked_again_and_given_up():
    said = []
    searcher = Searcher(0, False, said.append)
    nobody = Node(1, 1, 1, "127.0.0.1", 1, "127.0.0.1", 1, "sd1", 1.0)
    place = Place(EntityName("a", "c"), 7, [nobody])
    assert searcher.count(place, {}) == (place, 0, 0)
    assert said == [
        "ERROR: 127.0.0.1:1/sd1: cannot connect: Connection refused",
        "ERROR: 127.0.0.1:1/sd1: Giving up on /7/a/c: cannot connect: Connection refused",
    ]


def test_addresses_of_version_6_stand_in_brackets():
    assert identifier(node(ip="::1")) == "[::1]:6200/sd1"


# --- dispersion.conf ---


def test_the_defaults_are_those_of_openstack_swift(tmp_path):
    (tmp_path / "d.conf").write_text(CONF)
    options = load_options(str(tmp_path / "d.conf"))
    assert options == DispersionOptions("http://h/auth/v1.0", "u", "k")
    assert (options.dispersion_coverage, options.retries, options.concurrency) == (1.0, 5, 25)


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "[dispersion]: there is no such section"),
        ("[dispersion]\nauth_url = http://h\nauth_user = u\n", "auth_key: it is not set"),
        (CONF + "retries = many\n", "retries: 'many' does not fit"),
        (CONF + "dispersion_coverage = 101\n", "dispersion_coverage = 101 is not between 0 and 100"),
        (CONF + "concurrency = 0\n", "it must be at least 1"),
        ("nonsense", "cannot be parsed"),
    ],
)
def test_a_conf_that_cannot_be_used_gets_one_line(tmp_path, capsys, text, said):
    path = tmp_path / "d.conf"
    path.write_text(text)
    with pytest.raises(ConfigError):
        load_options(str(path))
    for main in (dispersion_populate.main, dispersion_report.main):
        assert main([str(path)]) == 1
        captured = capsys.readouterr()
        assert captured.out == "" and said in captured.err and captured.err.count("\n") == 1


def test_other_bad_input_gets_one_line(tmp_path, golden, capsys):
    conf = tmp_path / "d.conf"
    conf.write_text(f"{CONF}swift_dir = {golden}\n")
    for words, said in (
        ([str(tmp_path / "none.conf")], "none.conf: No such file"),
        (["-P", "nope", str(conf)], "Unable to find policy: nope"),
        (["--container-only", "--object-only", str(conf)], "Neither container or object "),
        ([str(conf)], "container.ring.gz: cannot read ring file"),
    ):
        for main in (dispersion_populate.main, dispersion_report.main):
            assert main(words) == 1
            errors = capsys.readouterr().err
            assert said in errors and errors.count("\n") == 1


@pytest.mark.parametrize("url", ["", "h/v1/a", "ftp://h/v1/a", "http://", "http://h:port/v1", "http://[::1/v1"])
def test_an_url_that_is_none(url):
    with pytest.raises(ToolError, match="is no "):
        StorageApi(url, "", 0)


def test_the_account_is_the_end_of_the_storage_url():
    assert StorageApi("http://h:8080/v1/AUTH_%C3%A4/", "", 0).account == "AUTH_ä"
