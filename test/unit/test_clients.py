"""The harness of test/clients: what ``--check`` calls a failure, what it only skips, and what the scoreboard keeps."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import pytest

from clients.harness import install, main, perform, scoreboard
from clients.harness.client import Apt, Client, Npm, Pip
from clients.harness.perform import PASSED
from clients.harness.scoreboard import Record
from clients.harness.site import Site
from clients.not_tried import NOT_TRIED


def record(outcomes: dict[str, str], auth: str = "v1", version: str = "1.0", source: str = "PyPI") -> Record:
    return Record("tool", source, version, "0.1.0", {auth: outcomes})


def client(**operations: str) -> Client:
    made = Client("Tool", (Pip("tool"),), ("v1", "v3"), "Say so.")
    for name, reason in operations.items():

        def act(site: Site, reason: str = reason) -> None:
            if reason:
                raise ValueError(reason)

        made.operation(name)(act)
    return made


def checked(before: list[Record], now: list[Record], absent: tuple[str, ...] = ()) -> int:
    return main.conclude(argparse.Namespace(write=False, check=True), {}, before, now, absent)


class TestCheck:
    """What ``test/clients/run --check`` ends with."""

    def test_all_that_passed_passes(self) -> None:
        assert checked([record({"put": PASSED})], [record({"put": PASSED})]) == 0

    def test_what_passed_and_now_fails_is_a_failure_by_its_name(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert checked([record({"put": PASSED})], [record({"put": "status: 500, not 201"})]) == 1
        said = capsys.readouterr().out
        assert "FAILED tool 1.0, v1: put: status: 500, not 201" in said
        assert "0 passed, 1 failed, 0 skipped" in said

    def test_what_is_known_to_fail_is_none(self) -> None:
        assert checked([record({"put": "wrong hash"})], [record({"put": "wrong hash of another"})]) == 0

    def test_a_known_failure_excuses_no_other_operation(self) -> None:
        assert checked([record({"put": "x", "get": PASSED})], [record({"put": "x", "get": "x"})]) == 1

    def test_a_known_failure_excuses_no_other_authentication(self) -> None:
        assert checked([record({"put": "x"}, auth="v1")], [record({"put": "x"}, auth="v3")]) == 1

    def test_a_known_failure_excuses_no_other_source(self) -> None:
        assert checked([record({"put": "x"}, source="Debian")], [record({"put": "x"}, source="PyPI")]) == 1

    def test_only_the_last_record_excuses(self) -> None:
        before = [record({"put": "x"}, version="0.9"), record({"put": PASSED}, version="1.0")]
        assert checked(before, [record({"put": "x"})]) == 1

    def test_what_the_scoreboard_does_not_have_must_pass(self) -> None:
        assert checked([], [record({"put": "x"})]) == 1
        assert checked([record({"put": PASSED})], [record({"put": PASSED, "new": "x"})]) == 1

    def test_without_check_known_failures_count(self) -> None:
        failing = record({"put": "x"})
        options = argparse.Namespace(write=False, check=False)
        assert main.conclude(options, {}, [failing], [failing], []) == 1

    def test_a_client_that_cannot_be_installed_is_skipped(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert checked([record({"put": PASSED})], [], absent=("tool",)) == 0
        assert "0 passed, 0 failed, 1 skipped" in capsys.readouterr().out

    def test_a_skipped_client_excuses_no_failure(self) -> None:
        assert checked([], [record({"put": "x"})], absent=("another",)) == 1


class TestUnreachableRegistry:
    """Clients are skipped, with the reason in a line, where their registry does not answer."""

    @pytest.fixture(autouse=True)
    def no_registry(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(install, "CACHE", tmp_path / "cache")
        programs = tmp_path / "bin"
        programs.mkdir()
        for name in ("apt-get", "npm", "node"):
            (programs / name).write_text(f"#!/bin/sh\necho 'Error: {name} got no answer' >&2\nexit 100\n")
            (programs / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
        for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
            monkeypatch.setenv(name, "http://127.0.0.1:1/simple")
        monkeypatch.setenv("PIP_RETRIES", "0")
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)

    @pytest.mark.parametrize(
        ("source", "said"),
        [
            (Pip("no-such-client"), "no-such-client"),
            (Npm("no-such-client"), "npm got no answer"),
            (Apt("no-such-client", "no-such-program"), "apt-get"),
        ],
        ids=lambda value: getattr(value, "name", None),
    )
    def test_it_is_not_tried(self, source: Pip | Npm | Apt, said: str) -> None:
        # A virtualenv that is there already, for the time it takes to make one: it is the tests' own.
        home = install.CACHE / source.package
        (home / "bin").mkdir(parents=True)
        (home / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        (home / "bin" / "python").chmod(0o755)
        (home / "installed").write_text(repr([source.package]))
        with pytest.raises(install.NotTried, match=said):
            install.install(source)

    def test_the_whole_check_goes_on_without_it(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        absent = Client("Tool", (Npm("no-such-client"),), ("v1",), "Say so.", in_ci=True)
        monkeypatch.setattr(main, "load_clients", lambda: {"tool": absent})
        assert main.main(["--check"]) == 0
        said = capsys.readouterr().out
        assert "not tried: npm install" in said
        assert "0 passed, 0 failed, 1 skipped" in said


class TestPerform:
    """One process performs the operations of a client, and writes down what came of each."""

    def test_each_outcome_is_written_in_order(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        tool = client(good="", bad="no <Thing at 0x7f00a1> there\nmore", after="")
        monkeypatch.setitem(sys.modules, "clients.tool", argparse.Namespace(CLIENT=tool))
        facts = {"url": "http://127.0.0.1:1", "account": "a", "user": "u", "key": "k", "home": ""}
        order = {"module": "tool", "results": str(tmp_path / "results")}
        order["site"] = {**facts, "auth": "v3", "scratch": str(tmp_path)}
        (tmp_path / "order").write_text(json.dumps(order))
        with open(tmp_path / "order") as given:
            monkeypatch.setattr(sys, "stdin", given)
            perform.main()
        lines = [json.loads(line) for line in (tmp_path / "results").read_text().splitlines()]
        assert [(line["operation"], line["outcome"]) for line in lines] == [
            ("good", PASSED),
            ("bad", "ValueError: no <Thing> there"),
            ("after", PASSED),
        ]

    def test_an_assertion_says_only_what_it_says(self) -> None:
        assert perform.first_line(AssertionError("3 names, not 4")) == "3 names, not 4"

    def test_an_error_without_text_has_its_name(self) -> None:
        assert perform.first_line(KeyError()) == "KeyError"


class TestScoreboard:
    """Records, and what is written of them."""

    def test_a_record_replaces_its_like_in_place(self) -> None:
        first, other = record({"put": "x"}), record({"put": PASSED}, version="2.0")
        again = record({"put": PASSED})
        assert scoreboard.merge([first, other], [again]) == [again, other]

    def test_another_version_is_added(self) -> None:
        first, other = record({"put": PASSED}), record({"put": PASSED}, version="2.0")
        assert scoreboard.merge([first], [other]) == [first, other]

    def test_records_survive_the_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(scoreboard, "RECORDS", tmp_path / "scoreboard.json")
        wanted = [record({"put": "ünï"}), record({"put": PASSED}, version="2.0")]
        scoreboard.save(wanted)
        assert scoreboard.load(tmp_path / "scoreboard.json") == wanted

    def test_the_document_counts_and_names_failures(self) -> None:
        found = record({"put": PASSED, "get": "it says `no`"})
        text = scoreboard.document([found], {"tool": client(put="", get="")}, {"Other": "no reason"}, "2.0")
        assert "| [Tool](#tool) | PyPI | 1.0 | 0.1.0 | v1 1/2 |" in text
        assert "- 1.0, v1: **get** fails: `it says 'no'`" in text
        assert "| Other | no reason |" in text

    def test_the_repository_holds_what_its_records_say(self) -> None:
        """doc/clients.md is what ``--write`` makes of scoreboard.json and of the modules as they are."""
        text = scoreboard.document(scoreboard.load(), main.load_clients(), NOT_TRIED, main.peer_version())
        assert scoreboard.DOCUMENT.read_text() == text

    def test_each_module_has_a_record_of_each_operation(self) -> None:
        records = scoreboard.load()
        for name, module in main.load_clients().items():
            for source in module.sources:
                last = scoreboard.recorded(records, name, source.name)
                assert last, f"{name} from {source.name}: test/clients/run --write {name}"
                wanted = {auth: list(module.operations_with(auth)) for auth in module.auths}
                assert {auth: list(outcomes) for auth, outcomes in last.outcomes.items()} == wanted, name


def test_operations_can_be_for_some_authentications_only() -> None:
    tool = client(put="")
    tool.operation("trade", ("v3",))(lambda site: None)
    assert (list(tool.operations_with("v1")), list(tool.operations_with("v3"))) == (["put"], ["put", "trade"])
