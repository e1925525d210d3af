"""What swiftlite-config shows: values as the programs read them, where they came from, and no secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swiftlite.cli import show_config
from swiftlite.cli.effective import HIDDEN, Value, effective, expand, kinds_of, without_secrets
from swiftlite.common.conf_lines import Outline, outline_lines
from swiftlite.common.pipeline import load_app
from swiftlite.common.swift_conf import SwiftConf

CONF = """[DEFAULT]
bind_port = 8080
log_level = INFO
node_timeout = 4
root = /srv
[pipeline:main]
pipeline = healthcheck
[app:proxy-server]
use = egg:swift#proxy
node_timeout = 5
set conn_timeout = 0.7
set log_level = DEBUG
recheck_account_existence = 60
admin_key = geheim
swift_dir = %(root)s/%(here)s
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin http://x
wrong = 1
[object-updater]
interval = 7
log_level = ERROR
concurrency = many
"""


def outline_of(text: str, path: str = "/etc/swift/conf") -> Outline:
    outline = Outline(path)
    outline_lines(text.splitlines(), path, outline)
    return outline


def shown(section: str, *, all_options: bool = False) -> dict[str, Value]:
    values = effective(outline_of(CONF), [section], all_options=all_options)
    assert len({value.option for value in values}) == len(values)
    return {value.option: value for value in values}


@pytest.mark.parametrize(
    "section, option, value, origin, differs",
    [
        ("DEFAULT", "bind_port", "8080", "/etc/swift/conf:2", True),
        ("DEFAULT", "log_level", "INFO", "/etc/swift/conf:3", False),
        ("DEFAULT", "backlog", "4096", "default", False),
        ("app:proxy-server", "node_timeout", "4", "/etc/swift/conf:4 [DEFAULT]", True),
        ("app:proxy-server", "conn_timeout", "0.7", "/etc/swift/conf:11 set", True),
        ("app:proxy-server", "recheck_account_existence", "60", "/etc/swift/conf:13", False),
        ("app:proxy-server", "swift_dir", "/srv//etc/swift", "/etc/swift/conf:15", True),
        ("object-updater", "interval", "7", "/etc/swift/conf:21", True),
        ("object-updater", "log_level", "ERROR", "/etc/swift/conf:22", True),
        ("object-updater", "updater_workers", "1", "default", False),
    ],
)
def test_values_and_where_they_came_from(section: str, option: str, value: str, origin: str, differs: bool) -> None:
    found = shown(section)[option]
    assert (found.value, found.origin, found.differs) == (value, origin, differs)


def test_what_does_not_work_is_noted() -> None:
    assert "not heeded without 'set'" in shown("app:proxy-server")["node_timeout"].note
    assert "'many' does not fit" in shown("object-updater")["concurrency"].note
    assert "unknown option" in shown("filter:tempauth")["wrong"].note
    assert not shown("app:proxy-server")["conn_timeout"].note


def test_options_of_default_are_shown_once() -> None:
    assert "bind_port" not in shown("object-updater")
    assert shown("object-updater", all_options=True)["bind_port"].source == "DEFAULT"


def test_references_are_followed_and_loops_end() -> None:
    assert expand("%(a)s/%(missing)s", {"a": "%(b)s", "b": "x"}, "conf") == "x/%(missing)s"
    assert "%(a)s" in expand("%(a)s", {"a": "%(a)s"}, "conf")


@pytest.mark.parametrize(
    "kind, option, value, expected",
    [
        ("swift-hash", "swift_hash_path_suffix", "x", HIDDEN),
        ("swift-hash", "swift_hash_path_prefix", "", ""),
        ("app:proxy", "admin_key", "x", HIDDEN),
        ("filter:tempauth", "user_a_b", "key .admin", f"{HIDDEN} .admin"),
        ("filter:tempauth", "user64_YQ_Yg", "key", HIDDEN),
        ("filter:tempauth", "usr_a_b", "key .admin", f"{HIDDEN} .admin"),
        ("filter:tempauth", "reseller_prefix", "AUTH", "AUTH"),
        ("", "passwd", "x", HIDDEN),
        ("", "auth_token", "x", HIDDEN),
        ("filter:tempauth", "fernet_key_one", "x", HIDDEN),
        ("filter:tempauth", "active_fernet_key_id", "one", "one"),
        ("filter:identity", "signing_key_old", "x", HIDDEN),
        ("", "password", "x", HIDDEN),
        ("", "user_domain_name", "Default", "Default"),
        ("", "memcached_servers", "redis://me:secret@host", f"redis://me:{HIDDEN}@host"),
        ("dispersion", "auth_key", "x", HIDDEN),
        ("DEFAULT", "debug_trans_id_extra", "x", HIDDEN),
        ("DEFAULT", "key_file", "/etc/tls/key", "/etc/tls/key"),
        ("filter:proxy_logging", "log_anonymization_salt", "x", HIDDEN),
    ],
)
def test_secrets_are_hidden(kind: str, option: str, value: str, expected: str) -> None:
    made = Value("section", option, value, None, True, "section")
    assert without_secrets([made], {"section": kind})[0].value == expected


def test_no_secret_of_a_conf_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "proxy-server.conf"
    path.write_text(CONF.replace("many", "2"))
    for arguments in ([], ["--json"], ["--diff"]):
        assert show_config.main([str(path), *arguments]) == 0
        out = capsys.readouterr().out
        assert "geheim" not in out and "testing" not in out and HIDDEN in out
    assert show_config.main([str(path), "--show-secrets"]) == 0
    out = capsys.readouterr().out
    assert "geheim" in out and "testing .admin" in out


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "object-server.conf"
    path.write_text(CONF)
    assert show_config.main([str(path), "--section", "object-updater", "--json"]) == 1  # concurrency does not fit
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["object-updater"]
    assert found["object-updater"]["interval"]["line"] == 21
    assert show_config.main([str(path), "--program", "object-auditor"]) == 0
    out = capsys.readouterr().out
    assert "[object-auditor]" in out and "zero_byte_files_per_second" in out and "[object-updater]" not in out
    for arguments in (["--section", "nothing"], ["--program", "nothing"]):
        assert show_config.main([str(path), *arguments]) == 1
        assert len(capsys.readouterr().err.splitlines()) == 1
    for arguments in (["object-updater"], ["--diff", "object-updater"]):
        with pytest.raises(SystemExit, match="2"):
            show_config.main([str(path), *arguments])
        assert capsys.readouterr().err.endswith("for what one program reads of it: --program NAME\n")


def test_swift_conf(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "swift.conf"
    path.write_text("[swift-hash]\nswift_hash_path_suffix = s\n[swift-constraints]\nmax_meta_count = 5\n")
    assert show_config.main([str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["swift-hash"]["swift_hash_path_suffix"]["value"] == HIDDEN
    assert found["swift-constraints"]["max_meta_count"]["differs"] is True
    constraints = SwiftConf.load(str(tmp_path)).constraints
    assert found["swift-constraints"]["max_file_size"]["value"] == str(constraints.max_file_size)
    assert found["storage-policy:0"]["name"]["value"] == "Policy-0"


def test_filters_that_the_proxy_adds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "proxy-server.conf"
    path.write_text(PIPELINE.format("catch_errors cache proxy-server"))
    assert show_config.main([str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["pipeline:main"]["pipeline, as it is loaded"]["value"]
    assert found == "catch_errors gatekeeper copy dlo versioned_writes memcache listing_formats proxy-server"
    # Those of a daemon are left as they are.
    path.write_text(PIPELINE.format("catch_errors cache proxy-server") + "[object-expirer]\n")
    assert show_config.main([str(path)]) == 0
    assert "as it is loaded" not in capsys.readouterr().out


PIPELINE = """[pipeline:main]
pipeline = {}
[app:proxy-server]
use = egg:swift#proxy
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
"""


def test_it_shows_what_the_server_reads(tmp_path: Path) -> None:
    """The values of a filter as Paste hands them to its factory."""
    path = tmp_path / "conf"
    text = "[DEFAULT]\nroot = /a\ndisable_path = /b\n[pipeline:main]\npipeline = one two\n[filter:one]\n"
    text += f"paste.filter_factory = {__name__}:keep\nset disable_path = %(root)s/c\nx = 1\n"
    text += f"[app:two]\npaste.app_factory = {__name__}:keep\ndisable_path = /d\n"
    path.write_text(text)
    KEPT.clear()
    load_app(str(path))
    outline = outline_of(text, str(path))
    for section, conf in KEPT.items():
        for value in effective(outline, [section]):
            if not value.option.startswith("paste."):
                assert conf[value.option] == value.value or "not heeded" in value.note
    assert set(KEPT) == {"filter:one", "app:two"} <= set(kinds_of(outline))


KEPT: dict[str, dict[str, str]] = {}


def keep(global_conf: dict[str, str], **local_conf: str):  # type: ignore[no-untyped-def]
    """A factory of an app or filter that keeps what it was given."""
    conf = {**global_conf, **local_conf}
    KEPT[conf["__section__"]] = conf
    return lambda app: app


def test_what_is_no_option_is_not_shown() -> None:
    outline = outline_of("[swift-tls]\nbackend_tls = yes\nbackend_ca_fil = /ca\nfile = /x\n")
    values = {value.option: value for value in effective(outline, ["swift-tls"])}
    assert values["backend_tls"].value == "yes"
    assert values["backend_ca_fil"].note == "unknown option; did you mean backend_ca_file?"
    assert values["file"].note.startswith("unknown option")
    assert "file" not in {value.option for value in effective(outline_of("[swift-tls]\n"), ["swift-tls"])}
