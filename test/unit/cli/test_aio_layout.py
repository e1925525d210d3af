"""What the all-in-one makes of a directory that holds a store already."""

from __future__ import annotations

import re
from pathlib import Path

from swiftlite.cli.aio_layout import make_plan
from swiftlite.common.config import ConfFile


def test_a_store_of_an_older_release_gets_the_confs_of_newer_daemons(tmp_path: Path) -> None:
    make_plan(tmp_path, 18080, None, 1).carry_out()
    conf = tmp_path / "etc/object-expirer.conf"
    written = conf.read_text()
    conf.unlink()
    make_plan(tmp_path, None, None, None).carry_out()
    assert conf.read_text() == written


def test_what_an_operator_has_set_stays(tmp_path: Path) -> None:
    make_plan(tmp_path, 18080, None, 1).carry_out()
    conf = tmp_path / "etc/object-expirer.conf"
    conf.write_text(conf.read_text().replace("interval = 5", "interval = 60\nprocesses = 2"))
    server = tmp_path / "etc/object-server.conf"
    server.write_text(server.read_text().replace(f"recon_cache_path = {tmp_path}", "recon_cache_path = /elsewhere"))
    make_plan(tmp_path, 18090, None, None).carry_out()
    assert ConfFile.load(str(conf)).section("object-expirer")["interval"] == "60"
    kept = ConfFile.load(str(server)).section("DEFAULT")
    assert kept["recon_cache_path"].startswith("/elsewhere") and kept["bind_port"] == "18091"


def test_a_password_that_is_hashed_does_not_keep_the_store_from_starting(tmp_path):
    make_plan(tmp_path, 18080, None, 1).carry_out()
    conf = tmp_path / "etc" / "proxy-server.conf"
    text = conf.read_text()
    conf.write_text(text.replace("user_test_tester = testing", "user_test_tester = $argon2id$v=19$x"))
    plan = make_plan(tmp_path, None, None, None)
    assert plan.can_log_in
    assert plan.user != "test:tester" and not plan.key.startswith("$argon2")
    hashed = re.sub(r"^(user_\w+ =) \S+", r"\1 $argon2id$v=19$x", text, flags=re.MULTILINE)
    conf.write_text(hashed)
    assert not make_plan(tmp_path, None, None, None).can_log_in


def test_what_an_older_store_lacks_is_told(tmp_path):
    make_plan(tmp_path, 18080, None, 1).carry_out()
    assert make_plan(tmp_path, None, None, None).missing == ()
    conf = tmp_path / "etc" / "proxy-server.conf"
    conf.write_text(conf.read_text().replace(" bulk ", " ").replace(" identity ", " "))
    plan = make_plan(tmp_path, None, None, None)
    assert plan.missing == ("bulk", "identity")
    assert "lacks bulk, identity" in plan.banner()


def test_other_ways_to_log_in_are_the_operators_affair(tmp_path):
    make_plan(tmp_path, 18080, None, 1).carry_out()
    conf = tmp_path / "etc" / "proxy-server.conf"
    text = conf.read_text()
    for change in ("reseller_prefix = SL", "auth_prefix = /login/"):
        conf.write_text(text.replace("[filter:tempauth]", f"[filter:tempauth]\n{change}"))
        assert not make_plan(tmp_path, None, None, None).can_log_in


def test_the_console_is_told_and_addresses_fit_into_a_shell(tmp_path):
    banner = make_plan(tmp_path, 18080, "::1", 1).banner()
    assert "  Console   http://[::1]:18080/console/\n" in banner
    assert "-X PUT 'http://[::1]:18080/v1/AUTH_test/demo' && " in banner
    assert "swift -A 'http://[::1]:18080/auth/v1.0' -U" in banner
    assert "swift -A http://127.0.0.1:18080/auth/v1.0 -U" in make_plan(tmp_path, 18080, None, 1).banner()
