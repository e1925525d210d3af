"""What the filter's section, and that of the users, may say."""

import logging

import pytest
from unit.middleware.identity.site import Site

from swiftlite.common import swift_info
from swiftlite.common.config import ConfigError
from swiftlite.common.passwords import hash_password
from swiftlite.middleware.identity import filter_factory


def load(directory, text, **options):
    conf = directory / "proxy-server.conf"
    conf.write_text(text, encoding="utf-8")
    (directory / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = pepper\n")
    place = {"__file__": str(conf), "swift_dir": str(directory), "log_address": ""}
    return filter_factory(place, **options)(lambda environ, start_response: [])


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        ("", {}, r"\[filter:tempauth\]: there is no such section"),
        ("[filter:users]\n", {}, r"\[filter:tempauth\]"),
        ("[filter:tempauth]\nuser_a_b =\n", {}, "user_a_b: it has no key"),
        ("[filter:tempauth]\nuser_a_b = $argon2id$nonsense\n", {}, "none"),
        ("[filter:tempauth]\nuser_a_b = %(missing)s\n", {}, "missing"),
        ("[filter:tempauth]\n", {"token_life": "long"}, "token_life"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path, text, options, says):
    with pytest.raises(ConfigError, match=says) as raised:
        load(tmp_path, text, **options)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "options", "users"),
    [
        ("[filter:tempauth]\nuser_a_b = c\n", {}, {"a:b": "c"}),
        ("[filter:people]\nuser_a_b = c\n", {"users_from": "filter:people"}, {"a:b": "c"}),
        ("[DEFAULT]\nsecret = c\n[filter:tempauth]\nuser_a_b = %(secret)s\n", {}, {"a:b": "c"}),
        ("[filter:tempauth]\nuser_ä_b = 1%é\n", {}, {"ä:b": "1%é"}),
        ("[filter:tempauth]\nset user_a_b = c\n", {}, {"a:b": "c"}),
    ],
)
def test_users_are_those_that_tempauth_has(tmp_path, text, options, users):
    loaded = load(tmp_path, text, **options)
    assert {name: user.key for name, user in loaded.tokens.directory.conf.users.items()} == users


def test_a_directory_of_conf_files(tmp_path):
    conf = tmp_path / "proxy-server.conf.d"
    conf.mkdir()
    (conf / "10.conf").write_text("[filter:identity]\n")
    (conf / "20.conf").write_text("[filter:tempauth]\nuser_a_b = c\n")
    (tmp_path / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = pepper\n")
    loaded = filter_factory({"__file__": str(conf), "swift_dir": str(tmp_path)})(None)
    assert list(loaded.tokens.directory.conf.users) == ["a:b"]


def test_the_clusters_secret_is_needed_or_a_key(tmp_path):
    conf = tmp_path / "proxy-server.conf"
    conf.write_text("[filter:tempauth]\n")
    place = {"__file__": str(conf), "swift_dir": str(tmp_path)}
    with pytest.raises(ConfigError, match=r"swift\.conf"):
        filter_factory(place)
    assert filter_factory(place, signing_key="k")


@pytest.mark.parametrize(("suffix", "warns"), [("changeme", True), ("pepper", False)])
def test_a_secret_that_everybody_knows_is_warned_of(tmp_path, caplog, suffix, warns):
    conf = tmp_path / "proxy-server.conf"
    conf.write_text("[filter:tempauth]\n")
    (tmp_path / "swift.conf").write_text(f"[swift-hash]\nswift_hash_path_suffix = {suffix}\n")
    with caplog.at_level(logging.WARNING):
        logging.getLogger("identity").propagate = True
        filter_factory({"__file__": str(conf), "swift_dir": str(tmp_path)})
    assert any("signing_key" in record.message for record in caplog.records) == warns


def test_plain_passwords_are_warned_of_once(tmp_path, caplog):
    hashed = hash_password("x")
    logging.getLogger("identity").propagate = True  # another test may have set it up for syslog
    for text, warnings in (("user_a_b = c\nuser_a_d = e\n", 1), (f"user_a_b = {hashed}\n", 0)):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            load(tmp_path, "[filter:tempauth]\n" + text)
        found = [record.message for record in caplog.records if "plain text" in record.message]
        assert len(found) == warnings
        assert all(message.startswith("passwords in plain text in [filter:tempauth]: 2;") for message in found)


def test_capabilities_are_told_and_no_secret(tmp_path):
    swift_info.forget()
    Site(tmp_path, signing_key="k")
    assert swift_info.registered()["identity"] == {
        "versions": ["v1.0", "v2.0", "v3"],
        "application_credentials": True,
    }
