"""Pipelines from operators' files: whose factories, which filters in which order, and errors in one line."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from fakes.wsgi_calls import request
from swiftlite.common import pipeline
from swiftlite.common.config import ConfigError
from swiftlite.common.pipeline import ALIASES, APPS, FILTERS, _check_neighbours, find_faults, load_app

ROOT = Path(__file__).resolve().parents[3]


def app_factory(global_conf, **local_conf):
    """The end of a pipeline: answers with the conf that it was given."""

    def app(environ, start_response):
        start_response("200 OK", [])
        return [repr({**global_conf, **local_conf}).encode()]

    return app


def noting(name):
    """The factory of a filter that writes its name into the request."""

    def filter_factory(global_conf, **local_conf):
        def make(app):
            def filtered(environ, start_response):
                environ.setdefault("test.order", []).append((name, local_conf))
                return app(environ, start_response)

            return filtered

        return make

    return filter_factory


def failing_factory(global_conf, **local_conf):
    """A factory that cannot use what it was given."""
    raise ValueError("colour must be blue")


@pytest.fixture(autouse=True)
def recorded(monkeypatch):
    """Our apps and filters, replaced by ones that only note their order."""
    module = sys.modules[__name__]
    for name in FILTERS:
        monkeypatch.setattr(module, f"made_{name}", noting(name), raising=False)
        monkeypatch.setitem(pipeline.FILTERS, name, f"{__name__}:made_{name}")
    monkeypatch.setitem(pipeline.APPS, "proxy", f"{__name__}:app_factory")
    monkeypatch.setitem(pipeline.APPS, "object", f"{__name__}:app_factory")


SECTIONS = (
    """
[app:proxy-server]
use = egg:swift#proxy
[app:object-server]
use = egg:swift#object
[filter:proxy-logging]
use = egg:swift#proxy_logging
[filter:cache]
use = egg:swiftlite#memcache
[filter:auth]
use = egg:swift#tempauth
colour = blue
[filter:monitor]
use = egg:swift#nonesuch
[filter:failing]
paste.filter_factory = {module}:failing_factory
[filter:foreign]
use = egg:no-such-package#x
[filter:elsewhere]
paste.filter_factory = no.such.module:x
""".replace("{module}", __name__)
    + "".join(f"[filter:{name}]\nuse = egg:swift#{name}\n" for name in FILTERS if name != "proxy_logging")
)


def write(tmp_path, order, head="[DEFAULT]\ncolour = red\n", name="proxy-server.conf"):
    path = tmp_path / name
    path.write_text(f"{head}[pipeline:main]\npipeline = {order}\n{SECTIONS}")
    return str(path)


def order_of(app):
    return [name for name, _ in request(app, "GET", "/").environ.get("test.order", [])]


OBJECTS = ("copy", "dlo", "versioned_writes")
"""The filters for objects that are added behind all others."""


@pytest.mark.parametrize(
    ("named", "built"),
    [
        ("proxy-server", ["catch_errors", "gatekeeper", "listing_formats", *OBJECTS]),
        ("catch_errors proxy-server", ["catch_errors", "gatekeeper", "listing_formats", *OBJECTS]),
        ("gatekeeper catch_errors proxy-server", ["gatekeeper", "catch_errors", "listing_formats", *OBJECTS]),
        (
            "healthcheck catch_errors proxy-server",
            ["gatekeeper", "healthcheck", "catch_errors", "listing_formats", *OBJECTS],
        ),
        (
            "catch_errors proxy-logging cache auth proxy-logging proxy-server",
            [
                *("catch_errors", "gatekeeper", "proxy_logging", "memcache", "listing_formats"),
                *("tempauth", *OBJECTS, "proxy_logging"),
            ],
        ),
        (
            "catch_errors gatekeeper healthcheck proxy-logging cache listing_formats auth proxy-logging proxy-server",
            [
                *("catch_errors", "gatekeeper", "healthcheck", "proxy_logging", "memcache", "listing_formats"),
                *("tempauth", *OBJECTS, "proxy_logging"),
            ],
        ),
    ],
)
def test_a_proxy_gets_the_filters_that_it_needs(tmp_path, named, built):
    assert order_of(load_app(write(tmp_path, named))) == built


def test_the_internal_client_gets_only_what_it_names(tmp_path):
    assert order_of(load_app(write(tmp_path, "catch_errors proxy-server"), allow_modify=False)) == ["catch_errors"]


def test_storage_servers_get_only_what_they_name(tmp_path):
    assert order_of(load_app(write(tmp_path, "healthcheck object-server"))) == ["healthcheck"]
    assert order_of(load_app(write(tmp_path, "object-server"))) == []


def test_a_section_that_no_pipeline_names_has_no_say(tmp_path):
    path = write(tmp_path, "proxy-server")
    Path(path).write_text(
        Path(path).read_text().replace("use = egg:swift#gatekeeper", "use = egg:swift#gatekeeper\nx = 1")
    )
    added = dict(request(load_app(path), "GET", "/").environ["test.order"])
    assert added["gatekeeper"] == {}


def test_defaults_go_before_local_options_that_are_not_set(tmp_path):
    """PasteDeploy's rule: a local key that [DEFAULT] has, too, needs the word set."""
    path = write(tmp_path, "auth proxy-server")
    assert ("tempauth", {}) in request(load_app(path), "GET", "/").environ["test.order"]
    Path(path).write_text(
        Path(path).read_text().replace("[app:proxy-server]", "[app:proxy-server]\nset colour = green")
    )
    assert b"'colour': 'green'" in request(load_app(path), "GET", "/").body


def test_percent_signs_mean_nothing_but_where_they_name_another_value(tmp_path):
    head = "[DEFAULT]\nfallocate_reserve = 1%\nsafe = a%%b\nhome = %(here)s/100%%\n"
    seen = request(load_app(write(tmp_path, "object-server", head)), "GET", "/").body.decode()
    assert "'fallocate_reserve': '1%'" in seen
    assert "'safe': 'a%%b'" in seen
    assert f"'home': '{tmp_path}/100%'" in seen


def test_factories_are_told_where_their_section_is(tmp_path):
    path = write(tmp_path, "proxy-server")
    body = request(load_app(path), "GET", "/").body.decode()
    assert f"'__file__': {path!r}" in body
    assert "'__section__': 'app:proxy-server'" in body


def test_a_directory_of_files_stands_for_one(tmp_path):
    directory = tmp_path / "proxy-server.conf.d"
    directory.mkdir()
    (directory / "10_pipeline.conf").write_text(
        "[pipeline:main]\npipeline = first proxy-server\n[DEFAULT]\nhome = %(here)s\n"
    )
    (directory / "20_sections.conf").write_text("[app:proxy-server]\nuse = egg:swift#proxy\n[filter:first]\nuse = x\n")
    (directory / "30_override.conf").write_text("[filter:first]\nuse = egg:swift#catch_errors\n")
    (directory / "ignored.txt").write_text("nonsense")
    app = load_app(str(directory))
    assert order_of(app) == ["catch_errors", "gatekeeper", "listing_formats", *OBJECTS]
    assert f"'home': {str(directory)!r}".encode() in request(app, "GET", "/").body


def test_a_section_may_use_another_file(tmp_path):
    shared = tmp_path / "shared.conf"
    shared.write_text("[filter:auth]\nuse = egg:swift#tempauth\nplace = shared\n")
    path = write(tmp_path, "auth proxy-server")
    text = Path(path).read_text().replace("use = egg:swift#tempauth\ncolour = blue", "use = config:shared.conf#auth")
    Path(path).write_text(text)
    assert ("tempauth", {"place": "shared"}) in request(load_app(path), "GET", "/").environ["test.order"]


@pytest.mark.parametrize(
    ("order", "problem"),
    [
        ("healthcheck monitor object-server", r"\[filter:monitor\] use: swiftlite has no filter 'nonesuch'"),
        (
            "nowhere proxy-server",
            r"\[pipeline:main\] pipeline: 'nowhere' has no section; add a section \[filter:nowhere\]",
        ),
        ("catch_errors nobody", r"\[pipeline:main\] pipeline: 'nobody' has no section; add a section \[app:nobody\]"),
        ("failing proxy-server", r"\[filter:failing\]: colour must be blue"),
        ("foreign proxy-server", r"\[filter:foreign\] use: .*no-such-package"),
        ("elsewhere proxy-server", r"\[filter:elsewhere\] use: No module named 'no'"),
        ("proxy-server catch_errors", r"\[pipeline:main\] pipeline: 'catch_errors' has no section"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_its_place(tmp_path, order, problem):
    path = write(tmp_path, order)
    with pytest.raises(ConfigError, match=rf"^{path} {problem}") as caught:
        load_app(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("order", "sections"),
    [
        ("catch_errors auth proxy-server", []),
        ("object-server", []),
        ("monitor failing auth foreign elsewhere nowhere proxy-server", [
            "filter:monitor", "filter:foreign", "filter:elsewhere", "pipeline:main", "filter:failing",
        ]),
        ("failing nobody", ["pipeline:main", "filter:failing"]),
        ("identity monitor proxy-server", ["filter:monitor"]),  # which may be what is to decide
        ("identity proxy-server", ["pipeline:main"]),
        ("", ["pipeline:main"]),
    ],
)  # fmt: skip
def test_all_faults_are_found_at_once(tmp_path, order, sections):
    faults = find_faults(write(tmp_path, order))
    assert [fault.section for fault in faults] == sections
    assert all(isinstance(fault, ConfigError) for fault in faults)


@pytest.mark.parametrize(
    ("use", "remedy"),
    [
        ("sloo", "did you mean slo?"),
        ("nonesuch", "it has account_quotas, "),
        ("s3api", "take it out of the pipeline, and let clients speak Swift's API"),
        ("kmip_keymaster", "take it out of the pipeline if nothing was stored encrypted"),
    ],
)
def test_what_to_do_without_a_filter(tmp_path, use, remedy):
    path = Path(write(tmp_path, "monitor proxy-server"))
    path.write_text(path.read_text().replace("#nonesuch", f"#{use}"))
    with pytest.raises(ConfigError) as caught:
        load_app(str(path))
    assert caught.value.problem == f"swiftlite has no filter {use!r}"
    assert caught.value.remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[DEFAULT]\n", "says no pipeline"),
        ("nonsense\n", "cannot be parsed"),
        ("[pipeline:main]\npipeline =\n", "names nothing"),
        ("[pipeline:main]\npipeline = a\n[app:a]\nuse = egg:swift#proxy\nx = %(here)s%hunter2\n", "x: a percent sign"),
        ("[pipeline:main]\npipeline = a\n[app:a]\nuse = egg:swift#proxy\nx = hunter2%(x)s\n", "x: a percent sign"),
        ("[pipeline:main]\n", "pipeline"),
        ("[pipeline:main]\npipeline = a\n[app:a]\n", "No loader given"),
        ("[pipeline:main]\npipeline = a\n[app:a]\nuse = egg:swift#proxy\nx = %(nothing)s\n", "nothing"),
        ("[pipeline:main]\npipeline = a\n[app:a]\nuse = egg:swift#catch_errors\n", "has no app 'catch_errors'"),
        ("[pipeline:main]\npipeline = a\n[app:a]\nuse = nonsense:x\n", "nonsense"),
    ],
)
def test_broken_files(tmp_path, text, problem):
    path = tmp_path / "a.conf"
    path.write_text(text)
    with pytest.raises(ConfigError, match=problem) as caught:
        load_app(str(path))
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value) and "hunter2" not in str(caught.value)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        load_app(str(tmp_path / "none.conf"))
    with pytest.raises(ConfigError, match=r"holds no \*\.conf file"):
        load_app(str(tmp_path))


def test_setup_publishes_the_same_factories(monkeypatch):
    monkeypatch.undo()
    shown = subprocess.run(
        [sys.executable, "-c", PRINT_ENTRY_POINTS], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    groups = eval(shown, {})  # noqa: S307 - printed by the line above
    assert dict(line.split(" = ") for line in groups["paste.app_factory"]) == APPS
    published = dict(line.split(" = ") for line in groups["paste.filter_factory"])
    assert {name: target for name, target in published.items() if name not in ALIASES} == FILTERS


PRINT_ENTRY_POINTS = """
import setuptools
setuptools.setup = lambda **options: print(options["entry_points"])
exec(compile(open("setup.py").read(), "setup.py", "exec"), {"__file__": "setup.py", "__name__": "__main__"})
"""


def test_a_filter_that_we_do_without_is_named_with_the_remedy(tmp_path):
    path = write(tmp_path, "profile proxy-server")
    with open(path, "a") as conf:
        conf.write("[filter:profile]\nuse = egg:swift#xprofile\n")
    with pytest.raises(ConfigError, match=r"^\S+ \[filter:profile\] use: swiftlite has no filter 'xprofile'.*py-spy"):
        load_app(path)


@pytest.mark.parametrize(
    ("filters", "works"),
    [
        ("identity tempauth", True),
        ("tempauth identity", False),
        ("identity", False),
        ("identity authtoken keystoneauth", True),
    ],
)
def test_who_somebody_is_does_not_say_what_they_may_do(filters: str, works: bool) -> None:
    """Without a filter that decides, everybody could do everything."""
    contexts = [SimpleNamespace(entry_point_name=name) for name in filters.split()]
    made = SimpleNamespace(filter_contexts=contexts)
    if works:
        _check_neighbours(made, "proxy-server.conf")
        return
    with pytest.raises(ConfigError, match="put tempauth behind identity"):
        _check_neighbours(made, "proxy-server.conf")
