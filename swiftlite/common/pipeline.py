"""Build a server's WSGI pipeline from its PasteDeploy conf file, adding the filters a proxy cannot do without."""

from __future__ import annotations

import configparser
import difflib
import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from paste.deploy import loadwsgi

from swiftlite.common.config import ConfigError, conf_files, read_options, spell

Options = TypeVar("Options")
WSGIApp = Callable[..., Any]

APPS = {
    "proxy": "swiftlite.proxy.server:app_factory",
    "object": "swiftlite.obj.server:app_factory",
    "container": "swiftlite.container.server:app_factory",
    "account": "swiftlite.account.server:app_factory",
}
"""Paste name of each server and the factory that makes it; setup.py publishes the same as entry points."""

FILTERS = {
    name: f"swiftlite.middleware.{name}:filter_factory"
    for name in (
        "account_quotas",
        "authtoken",
        "backend_ratelimit",
        "bulk",
        "catch_errors",
        "cname_lookup",
        "console",
        "container_quotas",
        "container_sync",
        "copy",
        "crossdomain",
        "dlo",
        "domain_remap",
        "etag_quoter",
        "formpost",
        "gatekeeper",
        "healthcheck",
        "identity",
        "keystoneauth",
        "list_endpoints",
        "listing_formats",
        "listing_metadata",
        "memcache",
        "metrics",
        "name_check",
        "proxy_logging",
        "ratelimit",
        "read_only",
        "recon",
        "slo",
        "staticweb",
        "symlink",
        "tempauth",
        "tempurl",
        "tracing",
        "versioned_writes",
    )
}
"""Paste name of each filter and its factory."""

ALIASES = {"cache": "memcache"}
_S3 = (
    "take it out of the pipeline, and let clients speak Swift's API, or keep a proxy of OpenStack Swift for those of S3"
)
_ENCRYPTION = (
    "take it out of the pipeline if nothing was stored encrypted; what was, only a proxy of OpenStack Swift can read"
)
ABSENT = {
    "xprofile": "take it out of the pipeline; to see where a running server spends its time, use py-spy top --pid PID",
    **dict.fromkeys(("s3api", "s3token"), _S3),
    **dict.fromkeys(("encryption", "keymaster", "kms_keymaster", "kmip_keymaster"), _ENCRYPTION),
}
"""Filters of OpenStack Swift that we do without, and what to do instead."""
REPLACED = {"keystonemiddleware.auth_token": "authtoken"}
"""Modules of others whose filters would block a worker, and the filter of ours that runs them where they may."""
OUR_EGGS = ("egg:swiftlite#", "egg:swift#")
"""Operators' files say ``egg:swift#…``; both mean ours."""

REQUIRED_PROXY_FILTERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "versioned_writes",
        ("slo", "dlo", "copy", "staticweb", "tempauth", "keystoneauth", "catch_errors", "gatekeeper", "proxy_logging"),
    ),
    (
        "dlo",
        ("copy", "staticweb", "tempauth", "keystoneauth", "catch_errors", "gatekeeper", "proxy_logging"),
    ),
    (
        "copy",
        ("staticweb", "tempauth", "keystoneauth", "catch_errors", "gatekeeper", "proxy_logging"),
    ),
    ("listing_formats", ("catch_errors", "gatekeeper", "proxy_logging", "memcache")),
    ("gatekeeper", ("catch_errors",)),
    ("catch_errors", ()),
)
"""Filters that a proxy gets though its pipeline does not name them, in order of insertion, each with those that it
goes behind where they are present (formats.md 8.4)."""


DECIDED_BY = {"identity": ("tempauth", "authtoken")}
"""Filters that only tell who somebody is, each with those of which one must stand somewhere to its right."""


class UnknownFactory(LookupError):
    """A conf names a factory that we do not have.

    :ivar remedy: what to do
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


def load_app(conf_path: str, *, allow_modify: bool = True) -> WSGIApp:
    """The WSGI application that a conf file, or a directory of ``*.conf`` files, describes.

    Factories find their place for error messages in the global conf: ``__file__`` and ``__section__``.

    :param allow_modify: add the filters that a proxy must have; the internal client says no (formats.md 8.4)
    :raises ConfigError: naming file, section and option, whatever is wrong with the file
    """
    context = _Loader(conf_path).get_context(loadwsgi.APP)
    if context.object_type is not loadwsgi.PIPELINE:
        return _create(context, conf_path)
    if allow_modify and context.app_context.entry_point_name == "proxy":
        _add_required_filters(context)
    _check_neighbours(context, conf_path)
    app = _create(context.app_context, conf_path)
    for filter_context in reversed(context.filter_contexts):
        app = _create(filter_context, conf_path)(app)
    return app


def find_faults(conf_path: str, *, allow_modify: bool = True) -> list[Exception]:
    """Whatever keeps :func:`load_app` from making an application: each section's fault, not only the first one."""
    faults: list[Exception] = []
    try:
        finder = _FaultFinder(conf_path, faults)
        context = finder.get_context(loadwsgi.APP)
        if context.object_type is not loadwsgi.PIPELINE:
            finder.make(context)
            return faults
        if allow_modify and context.app_context.entry_point_name == "proxy":
            _add_required_filters(context)
        app = finder.make(context.app_context)
        for filter_context in reversed(context.filter_contexts):
            app = finder.make(filter_context, app)
        if not faults:  # else what is missed may be what could not be made
            _check_neighbours(context, conf_path)
    except Exception as error:
        faults.append(error)
    return faults


def factory_place(conf: Mapping[str, str]) -> tuple[str, str]:
    """File and section that a factory was called for, to be named in errors.

    :param conf: what the factory was given, global conf included
    """
    return conf.get("__file__", "conf"), conf.get("__section__", "filter")


def factory_options(cls: type[Options], conf: Mapping[str, str]) -> Options:
    """The options of a factory's section as an Options dataclass.

    :raises ConfigError: naming the option whose text does not fit
    """
    return read_options(cls, conf, *factory_place(conf))


def section_options(conf_path: str, section: str) -> dict[str, str]:
    """What another section of a conf file says, those of ``[DEFAULT]`` included, as its factory gets it.

    :raises ConfigError: when there is no such section, or the file cannot be read
    """
    parser = _Loader(conf_path).parser
    if not parser.has_section(section):
        raise ConfigError(conf_path, section, None, "there is no such section", "add it, or name another")
    try:
        options: dict[str, str] = dict(parser.items(section))
    except (configparser.Error, ValueError) as error:
        raise ConfigError(conf_path, section, None, str(error), "correct it") from None
    for name in [name for name in options if name.startswith("set ")]:
        options[name[4:].strip()] = options.pop(name)
    return {**options, "__section__": section}


def _check_neighbours(pipeline: loadwsgi.LoaderContext, conf_path: str) -> None:
    """See that a filter which leaves decisions to another has it.

    :raises ConfigError: when it has not, and everybody could do everything
    """
    names = [context.entry_point_name for context in pipeline.filter_contexts]
    for name, needed in DECIDED_BY.items():
        if name in names and not set(needed) & set(names[names.index(name) :]):
            problem = f"{name} only says who somebody is, and nothing to its right says what they may do"
            raise ConfigError(conf_path, "pipeline:main", "pipeline", problem, f"put {needed[0]} behind {name}")


def completed(names: Sequence[str]) -> list[str]:
    """The filters of a proxy, by Paste name, with those that it gets though its pipeline does not name them."""
    filters = list(names)
    for name, behind in REQUIRED_PROXY_FILTERS:
        if name not in filters:
            filters.insert(_place(name, behind, filters), name)
    return filters


def _place(name: str, behind: Sequence[str], present: Sequence[str]) -> int:
    """Where a missing filter belongs: in front, but behind those that it names."""
    if name == "gatekeeper" and list(present[:1]) != ["catch_errors"]:
        return 0
    return max((present.index(other) + 1 for other in behind if other in present), default=0)


def _add_required_filters(pipeline: loadwsgi.LoaderContext) -> None:
    contexts = pipeline.filter_contexts
    for name, behind in REQUIRED_PROXY_FILTERS:
        present = [context.entry_point_name for context in contexts]
        if name not in present:
            # A section that no pipeline names has no say: the filter gets the global conf alone.
            added = _our_context(loadwsgi.FILTER, name, dict(pipeline.global_conf))
            contexts.insert(_place(name, behind, present), added)


def _our_context(object_type: Any, name: str, global_conf: dict[str, str]) -> loadwsgi.LoaderContext:
    """The Paste context of one of our own factories.

    :raises LookupError: when we have none of that name
    """
    name = ALIASES.get(name, name)
    kind, table = ("filter", FILTERS) if object_type is loadwsgi.FILTER else ("app", APPS)
    if name not in table:
        near = difflib.get_close_matches(name, sorted(table), 1)
        remedy = f"did you mean {near[0]}?" if near else f"it has {', '.join(sorted(table))}"
        raise UnknownFactory(f"swiftlite has no {kind} {name!r}", ABSENT.get(name, remedy))
    module, _, factory = table[name].partition(":")
    return loadwsgi.LoaderContext(
        getattr(importlib.import_module(module), factory),
        object_type,
        f"paste.{kind}_factory",
        global_conf,
        {},
        None,
        entry_point_name=name,
    )


def _create(context: loadwsgi.LoaderContext, conf_path: str) -> Any:
    replaced = REPLACED.get(getattr(context.object, "__module__", ""))
    if replaced:
        context.object = _our_context(loadwsgi.FILTER, replaced, {}).object
    try:
        return context.create()
    except ValueError as error:  # how factories of others tell that they cannot use an option
        section = context.global_conf.get("__section__")
        raise ConfigError(conf_path, section, None, str(error), "correct it") from error


class _Interpolation(configparser.BasicInterpolation):
    """Replaces ``%(name)s`` as Paste does, but lets a value without one be what it is: ``1%``, or a key with a ``%``."""

    def before_get(self, parser: Any, section: str, option: str, value: str, defaults: Any) -> str:
        """The value as factories get it."""
        return super().before_get(parser, section, option, value, defaults) if "%(" in value else value


class _Loader(loadwsgi.ConfigLoader):  # type: ignore[misc]
    """Paste's reader of conf files; it also knows directories, finds our factories without package metadata, and
    says what is wrong in one line."""

    def __init__(self, path: str) -> None:
        self.filename = path
        absolute = os.path.abspath(path)
        here = absolute if os.path.isdir(absolute) else os.path.dirname(absolute)
        self.parser = loadwsgi.NicerConfigParser(path, defaults={"here": here, "__file__": absolute}, strict=False)
        self.parser.optionxform = str
        self.parser._interpolation = _Interpolation()
        try:
            files = conf_files(path)
            for file in files:
                with open(file, encoding="utf-8", errors="surrogateescape") as opened:
                    self.parser.read_file(opened, str(file))
        except OSError as error:
            raise ConfigError(path, None, None, error.strerror or str(error), "give the path of a conf file") from None
        except configparser.Error as error:
            raise ConfigError(path, None, None, f"cannot be parsed: {spell(error)}", "correct it") from None
        if not files:
            raise ConfigError(path, None, None, "holds no *.conf file", "give the path of a conf file")

    def get_context(
        self, object_type: Any, name: str | None = None, global_conf: dict[str, str] | None = None
    ) -> loadwsgi.LoaderContext:
        """The context of a section, or of what a ``use`` line names."""
        if name and name.startswith(OUR_EGGS):
            return _our_context(object_type, name.partition("#")[2], global_conf or {})
        if name and name.startswith("config:"):
            path, _, name = name.removeprefix("config:").partition("#")
            path = os.path.join(os.path.dirname(os.path.abspath(self.filename)), path)
            return _Loader(path).get_context(object_type, name or "main", global_conf)
        if self.absolute_name(name):
            return super().get_context(object_type, name, global_conf)
        section = self.find_config_section(object_type, name)
        try:
            context = super().get_context(object_type, name, global_conf)
        except (LookupError, ImportError, AttributeError) as error:
            if section.startswith("pipeline:") and not self.parser.get(section, "pipeline", fallback="").split():
                remedy = "name the app, with its filters before it"
                raise ConfigError(self.filename, section, "pipeline", "names nothing", remedy) from None
            remedy = "name another factory, or take the section's name out of the pipeline"
            if isinstance(error, UnknownFactory):
                remedy = error.remedy
            raise ConfigError(self.filename, section, "use", str(error), remedy) from None
        except configparser.Error as error:
            raise ConfigError(self.filename, section, None, spell(error), "correct it") from None
        except ValueError as error:
            raise ConfigError(self.filename, section, None, str(error), "correct it") from None
        context.global_conf["__section__"] = section
        return context

    def find_config_section(self, object_type: Any, name: str | None = None) -> str:
        """The full name of a section."""
        try:
            return super().find_config_section(object_type, name=name)
        except LookupError as error:
            if name is None or object_type not in (loadwsgi.APP, loadwsgi.FILTER):
                remedy = "add a section [pipeline:main]"
                raise ConfigError(self.filename, None, None, "says no pipeline", remedy) from None
            kind = "app" if object_type is loadwsgi.APP else "filter"
            problem = f"{name!r} has no section" if "No section" in str(error) else str(error)
            remedy = f"add a section [{kind}:{name}], or take the name out"
            raise ConfigError(self.filename, "pipeline:main", "pipeline", problem, remedy) from None


class _FaultFinder(_Loader):
    """The same, but goes on where a member of a pipeline is faulty, with one in its place that does nothing.

    :param faults: gets what is found
    """

    def __init__(self, path: str, faults: list[Exception]) -> None:
        super().__init__(path)
        self.faults = faults

    def get_context(
        self, object_type: Any, name: str | None = None, global_conf: dict[str, str] | None = None
    ) -> loadwsgi.LoaderContext:
        """The context of a section; of a faulty one, that of its stand-in."""
        try:
            return super().get_context(object_type, name, global_conf)
        except Exception as error:
            if name is None or self.absolute_name(name):  # the pipeline itself, or what a member's use says
                raise
            self.faults.append(error)
        kind, made = ("filter", _same) if object_type is loadwsgi.FILTER else ("app", _nothing)
        factory = lambda global_conf, **local_conf: made  # noqa: E731
        return loadwsgi.LoaderContext(factory, object_type, f"paste.{kind}_factory", dict(global_conf or {}), {}, self)

    def make(self, context: loadwsgi.LoaderContext, app: WSGIApp | None = None) -> WSGIApp:
        """An app; or a filter around `app`, which is that itself where the filter is faulty."""
        try:
            made: Any = _create(context, self.filename)
            return made(app) if app else made
        except Exception as error:
            self.faults.append(error)
            return app or _nothing


def _nothing(environ: Any, start_response: Any) -> Any:
    return []


def _same(app: WSGIApp) -> WSGIApp:
    return app
