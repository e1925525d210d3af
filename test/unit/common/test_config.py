"""Conf files: types, merging, and errors that name file, section and option."""

import dataclasses
from dataclasses import dataclass
from typing import get_type_hints

import pytest

from swiftlite.common import option_tables
from swiftlite.common.config import SHORTEST, ConfFile, ConfigError, ServerOptions, is_true, option, read_options
from swiftlite.common.pipeline import load_app
from swiftlite.common.swift_conf import SwiftConf


@dataclass(frozen=True)
class Options(ServerOptions):
    names: tuple[str, ...] = option((), "a list")
    careful: bool = option(True, "a switch")


def conf(tmp_path, text, name="a.conf"):
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def test_options_have_their_types(tmp_path):
    path = conf(
        tmp_path,
        "[DEFAULT]\nbind_port = 6200\ndevices = /d%%s\n[app:x]\nnames = a, b\ncareful = off\nset bind_port = 1\nother=1\n",
    )
    options = read_options(Options, ConfFile.load(path).section("app:x"), path, "app:x")
    assert (options.bind_port, options.names, options.careful) == (1, ("a", "b"), False)
    assert options.keepalive_timeout is None


@pytest.mark.parametrize(
    "line", ["bind_port = many", "careful = maybe", "workers = -1", "client_timeout = soon", "client_timeout = nan"]
)
def test_a_value_of_another_type_names_file_section_and_option(tmp_path, line):
    path = conf(tmp_path, f"[app:x]\n{line}\n")
    with pytest.raises(ConfigError) as caught:
        read_options(Options, ConfFile.load(path).section("app:x"), path, "app:x")
    assert path in str(caught.value) and "[app:x]" in str(caught.value) and line.split()[0] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_directory_of_files_is_one_file(tmp_path):
    conf(tmp_path, "[DEFAULT]\nbind_port = 1\n[a]\nx = 1\n", "1.conf")
    conf(tmp_path, "[DEFAULT]\nbind_port = 2\n[a]\ny = 2\n", "2.conf")
    conf(tmp_path, "[DEFAULT]\nbind_port = 3\n", "3.txt")
    assert ConfFile.load(str(tmp_path)).section("a") == {"bind_port": "2", "x": "1", "y": "2"}


@pytest.mark.parametrize("text", ["bind_port = 1\n", "[broken\n"])
def test_a_broken_file_is_one_line(tmp_path, text):
    path = conf(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        ConfFile.load(path)
    assert str(caught.value).startswith(path) and "\n" not in str(caught.value)


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        ConfFile.load(str(tmp_path / "none.conf"))


@pytest.mark.parametrize(("word", "truth"), [("YES", True), (" t ", True), ("0", False), ("", False), (None, False)])
def test_words_that_mean_yes(word, truth):
    assert is_true(word) is truth


def swift_conf(tmp_path, text):
    conf(tmp_path, text, "swift.conf")
    return SwiftConf.load(str(tmp_path))


def test_the_golden_swift_conf(golden):
    swift = SwiftConf.load(str(golden))
    assert swift.hash_path.prefix == b"labprefix"
    assert [policy.name for policy in swift.policies] == ["gold", "silver", "ec42"]
    assert swift.policies.default.name == "gold"
    assert swift.policies.by_name("SILVER").objects_dir == "objects-1"
    assert swift.policies.by_index("").index == 0 and swift.policies.by_index("9") is None


def test_arbitrary_bytes_survive_in_the_hash_secret(tmp_path):
    (tmp_path / "swift.conf").write_bytes(b"[swift-hash]\nswift_hash_path_suffix = \xff%x\n")
    assert SwiftConf.load(str(tmp_path)).hash_path.suffix == b"\xff%x"


@pytest.mark.parametrize(
    ("text", "option_name"),
    [
        ("[swift-hash]\n", "swift_hash_path_suffix"),
        ("[swift-hash]\nswift_hash_path_suffix = x\n[swift-constraints]\nmax_file_size = big\n", "max_file_size"),
        ("[swift-hash]\nswift_hash_path_suffix = x\n[storage-policy:0]\nname = a b\n", "name"),
        ("[swift-hash]\nswift_hash_path_suffix = x\n[storage-policy:0]\nname = a\ncolour = red\n", "colour"),
        ("[swift-hash]\nswift_hash_path_suffix = x\n[storage-policy:1]\nname = a\n", "policy 0 is missing"),
        (
            "[swift-hash]\nswift_hash_path_suffix = x\n[storage-policy:0]\nname = a\n[storage-policy:1]\nname = A\n",
            "used twice",
        ),
    ],
)
def test_a_broken_swift_conf_names_the_option(tmp_path, text, option_name):
    with pytest.raises(ConfigError, match=option_name):
        swift_conf(tmp_path, text)


def test_without_policy_sections_there_is_one_policy(tmp_path):
    policies = swift_conf(tmp_path, "[swift-hash]\nswift_hash_path_suffix = x\n").policies
    assert [(policy.index, policy.name, policy.objects_dir) for policy in policies] == [(0, "Policy-0", "objects")]
    assert policies.for_info() == [{"name": "Policy-0", "aliases": "Policy-0", "default": True}]


@pytest.mark.parametrize(
    "text",
    ["[DEFAULT]\ndebug_trans_id_extra = hunter2!\n", "[DEFAULT]\nuser_a_b hunter2\n", "key = hunter2\n[DEFAULT]\n"],
)
def test_no_error_shows_a_key(tmp_path, text):
    path = tmp_path / "a.conf"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"does not fit|cannot be parsed.* line") as caught:
        read_options(ServerOptions, ConfFile.load(str(path)).section("DEFAULT"), str(path), "DEFAULT")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "option, text",
    [
        ("bind_port", "99999"),
        ("bind_port", "-1"),
        ("backlog", "9" * 20),
        ("max_clients", "0"),
        ("rlimit_nofile", "9" * 30),
        ("rlimit_memory", "128"),
    ],
)
def test_what_the_kernel_cannot_take_is_refused(option, text):
    with pytest.raises(ConfigError, match=option):
        read_options(ServerOptions, {option: text}, "a.conf", "DEFAULT")


def every_table():
    references = [option_tables.SERVER]
    for tables in (option_tables.APPS, option_tables.FILTERS, option_tables.DAEMONS, option_tables.OTHERS):
        references += tables.values()
    return list(filter(None, map(option_tables.load, dict.fromkeys(references))))


def test_whoever_gives_a_word_for_a_number_hears_no_words_of_pythons():
    told = {}
    for table in every_table():
        for field in dataclasses.fields(table):
            try:
                read_options(table, {field.name: "many"}, "a.conf", "x")
            except ConfigError as error:
                told[field.name] = error.problem.removeprefix("'many'")
    assert not [said for said in told.values() if "literal" in said or "convert" in said]
    assert told["workers"] == told["handoff_delete"] == " does not fit (it must be a whole number, or auto)"
    assert told["rsync_tempfile_timeout"] == " does not fit (it must be a number, or auto)"
    assert told["backlog"] == " does not fit (it must be a whole number)"
    assert told["node_timeout"] == " does not fit (it must be a number)"
    assert told["mount_check"] == " does not fit (it must be true or false)"


def numbers():
    """Every table's options that are numbers and read as such, with the least that each may be."""
    for table in every_table():
        hints = get_type_hints(table)
        for field in dataclasses.fields(table):
            if hints[field.name] in (int, float) and not field.metadata.get("parse"):
                yield table, field.name, field.metadata.get("least", 0)


def test_no_number_may_be_less_than_makes_sense():
    for table, name, least in numbers():
        if least is None:
            read_options(table, {name: "-1"}, "a.conf", "x")
            continue
        read_options(table, {name: f"{least:g}"}, "a.conf", "x")
        for less in {"-1", "-5", f"{least - 1:g}"}:
            with pytest.raises(ConfigError, match=rf"{name}: '{less}' does not fit \(it must be at least {least:g}\)"):
                read_options(table, {name: less}, "a.conf", "x")


@pytest.mark.parametrize(
    "table, name",
    [
        (ServerOptions, "keepalive_timeout"),
        (option_tables.load(option_tables.APPS["proxy"]), "concurrency_timeout"),
        (option_tables.load(option_tables.APPS["proxy"]), "write_affinity_handoff_delete_count"),
        (option_tables.load(option_tables.DAEMONS["object-replicator"]), "handoff_delete"),  # less than no success
        (option_tables.load(option_tables.DAEMONS["container-replicator"]), "handoff_delete"),
        (option_tables.load(option_tables.DAEMONS["object-auditor"]), "rsync_tempfile_timeout"),
        (option_tables.load(option_tables.DAEMONS["container-sync"]), "sync_row_concurrency"),
        (option_tables.load(option_tables.DAEMONS["account-reaper"]), "delay_reaping"),
        (option_tables.load(option_tables.FILTERS["slo"]), "delete_concurrency"),
    ],
)
def test_nor_those_that_may_be_words_or_empty(table, name):
    with pytest.raises(ConfigError, match=rf"{name}: '-5' does not fit \(it must be at least [01]\)"):
        read_options(table, {name: "-5"}, "a.conf", "x")


def test_the_least_of_what_matters():
    least = {(table.__module__.removeprefix("swiftlite."), name): number for table, name, number in numbers()}
    assert least["obj.replicator", "interval"] == 0
    for module in (
        "obj.replicator",
        "obj.updater",
        "obj.audit_options",
        "db.replicator",
        "container.updater",
        "account.reaper",
    ):
        assert least[module, "concurrency"] == 1, module
    assert least["common.config", "client_timeout"] == least["proxy.options", "node_timeout"] == SHORTEST
    # What is below 0 means no limit to OpenStack Swift, too.
    assert {name for (_, name), number in least.items() if number is None} >= {"files_per_second", "keep_cache_size"}


@pytest.mark.parametrize("load", [ConfFile.load, load_app])
def test_a_byte_order_mark_is_named(tmp_path, load):
    path = tmp_path / "a.conf"
    path.write_bytes(b"\xef\xbb\xbf[DEFAULT]\nbind_port = 1\n")
    with pytest.raises(ConfigError, match="begins with a byte order mark: save it as UTF-8 without one"):
        load(str(path))
