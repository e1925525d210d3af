"""Whose a conf file is: a program that took another's would serve, or look after, what it was not meant to."""

from __future__ import annotations

from collections.abc import Collection

from swiftlite.common.config import ConfFile, ConfigError
from swiftlite.common.option_tables import APPS, DAEMONS
from swiftlite.common.pipeline import OUR_EGGS


def check_owner(conf: ConfFile, program: str) -> None:
    """See that a conf is a program's own.

    :param program: say ``object-server`` or ``object-updater``
    :raises ConfigError: when it is another's
    """
    other = other_owner(program, conf.sections(), app_kind(conf))
    if other:
        name = program if program.endswith("-server") else f"{_family(program)}-server"
        remedy = f"give it its own, say /etc/swift/{name}.conf"
        raise ConfigError(conf.path, None, None, f"is the conf of {other}, not of {program}", remedy)


def other_owner(program: str, sections: Collection[str], app: str) -> str:
    """The program whose a conf is instead; empty: nothing speaks against its being this one's.

    A daemon is at home where it has a section, and in the conf of the server whose data it looks after.

    :param app: what the conf's pipeline ends with, as :func:`app_kind` tells
    """
    if program.endswith("-server"):
        return f"{app}-server" if app and program != f"{app}-server" else ""
    if program not in DAEMONS or program in sections:
        return ""
    if app:
        return f"{app}-server" if app != _family(program) else ""
    daemons = [section for section in sections if section in DAEMONS]
    return daemons[0] if daemons and _family(program) not in map(_family, daemons) else ""


def _family(program: str) -> str:
    return program.partition("-")[0]


def app_kind(conf: ConfFile) -> str:
    """``proxy``, ``object``, ``container`` or ``account``, as the ``use`` of the pipeline's app says; empty: another's."""
    pipeline = conf.section("pipeline:main").get("pipeline", "").split() if conf.has("pipeline:main") else []
    use = conf.section(f"app:{pipeline[-1] if pipeline else 'main'}").get("use", "").strip()
    kind = use.partition("#")[2]
    return kind if use.startswith(OUR_EGGS) and kind in APPS else ""
