"""Start a server from its conf file: check what can be checked, load the pipeline, fork the workers."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import replace

from swiftlite.cli.transport import server_transport
from swiftlite.common import command_line, hash_secret, limits, tracing
from swiftlite.common.conf_lines import read_outline
from swiftlite.common.conf_owner import check_owner
from swiftlite.common.config import ConfFile, ConfigError, ServerOptions, StartError, read_options
from swiftlite.common.life import logger_of
from swiftlite.common.log import gather_lines
from swiftlite.common.metrics import RequestCounter, begin
from swiftlite.common.option_tables import APPS, load, names_of
from swiftlite.common.pid_file import PidFile
from swiftlite.common.pipeline import load_app
from swiftlite.common.privileges import check_user, drop_privileges
from swiftlite.common.restart import is_trial
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.common.unknown_options import pipeline_sections, warn_of_unknown_options
from swiftlite.http import listeners, prefork
from swiftlite.http.greeting import Transport
from swiftlite.http.server import HTTPOptions

OF_CONNECTIONS = ("client_timeout", "keepalive_timeout", "max_clients", "network_chunk_size")
"""Options of ``[DEFAULT]`` that the app's section may say instead, where it knows them; as with OpenStack Swift."""


@command_line.reloads_wait()
def serve_main(name: str, argv: Sequence[str] | None = None) -> int:
    """Run the server `name`, say ``object-server``, until a signal ends it.

    `argv` (default: the command line) is ``CONF [-v | --verbose] [--check]``. Returns the exit status
    (command_line.py); whatever makes a start impossible is told in one line on standard error.
    """
    parser = command_line.server_parser(name)
    arguments = parser.parse_args(argv)
    if arguments.check:
        return command_line.check(name, arguments.conf)
    try:
        return _serve(name, arguments.conf, arguments.verbose)
    except StartError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return command_line.CANNOT_START
    except Exception:
        traceback.print_exc()
        return command_line.FAILED


def _serve(name: str, path: str, verbose: bool) -> int:
    texts, options, swift = essentials(name, path)
    begin(name)
    if verbose:
        texts["log_address"] = ""
    logger = logger_of(texts, name, path)
    transport = server_transport(name, options, swift.backend_tls, path)
    if not is_trial():
        warn_of_unknown_options(path, (), logger)
    try:
        limits.apply(options, logger)
        if is_trial():  # all that could go wrong later does so here
            PidFile.check(options.pid_file, name, path)
            of_connections(options, name, path)
            load_app(path)
            listeners.check_address(options.bind_ip, options.bind_port)
            return command_line.DONE
        pid_file = PidFile.claim(options.pid_file, name, path)
        try:
            return prefork.serve(
                lambda: load_app(path),
                address=(options.bind_ip, options.bind_port),
                workers=options.workers,
                backlog=options.backlog,
                http_options=_http_options(of_connections(options, name, path), swift, transport),
                log=logger,
                hooks=_hooks(options, path, pid_file),
            )
        finally:
            if pid_file:
                pid_file.remove()
    except listeners.ListenError as error:
        raise ConfigError(path, "DEFAULT", "bind_ip, bind_port", str(error), error.remedy) from None


def essentials(name: str, path: str) -> tuple[dict[str, str], ServerOptions, SwiftConf]:
    """What a server must have before anything of it is made: the texts of ``[DEFAULT]``, its options, swift.conf.

    :raises StartError: when it cannot start without more
    """
    conf = ConfFile.load(path)
    check_owner(conf, name)
    texts = conf.section("DEFAULT")
    options = read_options(ServerOptions, texts, path, "DEFAULT")
    if not options.bind_port:
        raise ConfigError(path, "DEFAULT", "bind_port", "is not set", "set it to the TCP port to listen on")
    check_user(options.user, path)
    swift = SwiftConf.load(options.swift_dir)
    hash_secret.hold(swift.hash_path, options.swift_dir)
    if name == "object-server":
        check_xattrs(options.devices, path)
    return texts, options, swift


def _hooks(options: ServerOptions, path: str, pid_file: PidFile | None) -> prefork.Hooks:
    def set_up_worker() -> None:
        drop_privileges(options.user, path)
        gather_lines()

    if pid_file is None:
        return prefork.Hooks(worker=set_up_worker, served=tracing.flush)
    return prefork.Hooks(pid_file.write, set_up_worker, pid_file.hand_on, tracing.flush)


def of_connections(options: ServerOptions, name: str, path: str) -> ServerOptions:
    """A server's options, with what its app's section says of connections.

    :param options: those of ``[DEFAULT]``
    :raises ConfigError: naming the option whose text does not fit
    """
    outline = read_outline(path)
    known = names_of(load(APPS[name.removesuffix("-server")]))
    for section in pipeline_sections(outline):
        if section.startswith("app:"):
            said = {each: found.value for each, found in outline.texts(section).items() if each in OF_CONNECTIONS}
            own = read_options(ServerOptions, said, path, section)
            options = replace(options, **{each: getattr(own, each) for each in said if each in known})
    return options


def _http_options(options: ServerOptions, swift: SwiftConf, transport: Transport) -> HTTPOptions:
    """What the listening side takes from the conf, and the limits that swift.conf sets for headers."""
    return HTTPOptions(
        client_timeout=options.client_timeout,
        keepalive_timeout=options.keepalive_timeout,
        max_header_size=swift.constraints.max_header_size,
        max_header_count=swift.constraints.max_header_count,
        max_clients=options.max_clients,
        network_chunk_size=options.network_chunk_size,
        stale_worker_timeout=options.stale_worker_timeout,
        transport=transport,
        hsts_max_age=options.hsts_max_age,
        observer=RequestCounter() if options.metrics else None,
    )


def check_xattrs(devices: str, conf_path: str) -> None:
    """Refuse to serve objects from a filesystem that cannot hold their metadata.

    A device that fails otherwise (unmounted, read-only, dead) is no reason to stop: requests for it are answered 507.
    Raises ConfigError.
    """
    for device in sorted(os.listdir(devices)) if os.path.isdir(devices) else ():
        path = os.path.join(devices, device)
        try:
            with tempfile.TemporaryFile(dir=path) as probe:
                os.setxattr(probe.fileno(), "user.swift.metadata", b"probe")
        except OSError as error:
            if error.errno == errno.ENOTSUP:
                problem = f"the filesystem of {path} has no extended attributes"
                remedy = "use XFS, or ext4 mounted with user_xattr"
                raise ConfigError(conf_path, "DEFAULT", "devices", problem, remedy) from None
