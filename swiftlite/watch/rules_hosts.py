"""Rules of the doctor: servers (reachable, with recon, with room for connections), certificates and memcached."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from shlex import quote

from swiftlite.watch.copying import copy_here
from swiftlite.watch.facts import AUTHORITY, NODE, Asked, ClusterView
from swiftlite.watch.findings import (
    CRITICAL,
    DAY,
    NOTICE,
    WARNING,
    Finding,
    Limits,
    Rule,
    chain,
    on,
    shell_on,
    span,
)
from swiftlite.watch.gathering import METRICS, NO_METRICS, STRANGE
from swiftlite.watch.starting import conf_of, reload_proxy, reload_servers, restart, restart_line, show_log, start_all

STRANGE_ANSWERS = "recon-strange"
CERTIFICATE = "certificate"
"""Of what went wrong in a handshake."""
SPARE_FILES = 256
"""Open files that a server needs besides those of its clients."""
RAISED_FILES = 65536
MANY_CORES = 4


def unreachable(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Servers that do not answer; a machine of which none does is told of once."""
    machines: dict[str, list[Asked]] = {}
    for asked in view.servers:
        machines.setdefault(asked.server.ip, []).append(asked)
    for ip, servers in machines.items():
        silent = [asked for asked in servers if asked.problem]
        if len(silent) == len(servers) > 1:
            what = f"none of its {len(servers)} servers answers: {silent[0].problem}"
            why = "requests go to fewer replicas, and what is written has to wait on handoffs"
            server = servers[0].server
            fix = start_all(view, server) if server.is_local else f"ping -c 3 {quote(ip)}"
            if CERTIFICATE in silent[0].problem:
                fix = _show_certificate(server.address)
            yield Finding("host-unreachable", CRITICAL, ip, what, why, fix)
            continue
        for asked in silent:
            why = "requests for its devices go to others, and what is written has to wait on handoffs"
            fix = restart(view, asked.server, f"{asked.server.kind}-server", conf_of(view, asked.server))
            if CERTIFICATE in asked.problem:
                fix = _show_certificate(asked.server.address)
            yield Finding("server-unreachable", CRITICAL, asked.server.name, asked.problem, why, fix)


def without_recon(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Storage servers without the filter that tells how they are, or that do not tell all."""
    for asked in view.reached("object", "container", "account"):
        unanswered = {check: problem for check, problem in asked.problems.items() if check != "facts"}
        kind = asked.server.kind
        strange = [check for check, problem in unanswered.items() if problem == STRANGE]
        if strange:
            what = f"what it tells cannot be understood: {', '.join(strange[:5])}"
            why = "nobody can tell how its disks and daemons are; is another program on this port?"
            fix = f"curl -s {quote(f'http://{asked.server.address}/recon/{strange[0]}')}"
            yield Finding(STRANGE_ANSWERS, WARNING, asked.server.name, what, why, fix)
        elif not asked.answers:
            what = f"it does not answer /recon: {next(iter(asked.problems.values()), 'nothing was asked')}"
            why = "nobody can tell how its disks and daemons are"
            yield Finding("recon-missing", WARNING, asked.server.name, what, why, _add_recon(view, asked, kind))
        elif unanswered and not asked.word("facts", "closed_root"):  # else that is why
            told = ", ".join(f"{check} ({problem})" for check, problem in list(unanswered.items())[:3])
            why = "a check that does not answer may wait for a dying disk"
            fix = show_log(view, asked.server, f"{kind}-server", asked.conf, "-g", "recon")
            yield Finding("recon-fails", WARNING, asked.server.name, f"it does not tell {told}", why, fix)


def _add_recon(view: ClusterView, asked: Asked, kind: str) -> str:
    """Put the filter right before the application."""
    return _add_filter(view, asked, "recon", rf"s/^\(pipeline *=.*\) \({kind}-server\)$/\1 recon \2/")


def _add_filter(view: ClusterView, asked: Asked, name: str, change: str) -> str:
    """Put a filter into a pipeline that lacks it, and its section where there is none; restart only what would start.

    :param change: sed's command for the pipeline's line
    """
    conf, program = quote(asked.conf), f"{asked.server.kind}-server"
    section = rf"'\n[filter:{name}]\nuse = egg:swiftlite#{name}\n'"
    line = rf"sed -i '/[= ]{name} /!{change}' {conf} && "
    line += rf"{{ grep -q '^\[filter:{name}\]' {conf} || printf {section} >> {conf}; }} && "
    line += f"swiftlite-{program} {conf} --check"
    return shell_on(asked.server, chain(line, restart_line(view, asked.server, program, asked.conf)))


def without_metrics(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Proxies that do not say what they count: it is no fault that one has no filter for that, or lets others ask."""
    for asked in view.reached("proxy"):
        problem = asked.problems.get(METRICS, "")
        if problem.startswith("status 5"):
            what = f"it answers /metrics with {problem}"
            why = "neither Prometheus nor swiftlite-top learns how it is; its log has the reason"
            fix = show_log(view, asked.server, "proxy-server", conf_of(view, asked.server), "-p", "err")
            yield Finding("metrics-fails", WARNING, asked.server.name, what, why, fix)
        elif problem == NO_METRICS:
            why = (
                "neither Prometheus nor swiftlite-top learns how many requests clients make, and how they are answered"
            )
            fix = _add_filter(view, asked, METRICS, r"s/^pipeline *=.* healthcheck\b/& metrics/")
            yield Finding("metrics-missing", NOTICE, asked.server.name, problem, why, fix)


def open_files(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Servers that may open fewer files than they have clients."""
    for asked in view.reached():
        allowed, clients = asked.figure("facts", "limits", "nofile"), asked.figure("facts", "settings", "max_clients")
        if allowed is None or clients is None or allowed < 0 or allowed >= clients + SPARE_FILES:
            continue
        what = f"a worker may open {allowed:.0f} files, and serves {clients:.0f} clients"
        why = "under load it can accept no connection, and open no object"
        line = f"sed -i '/^rlimit_nofile/d; s/^\\[DEFAULT\\]/&\\nrlimit_nofile = {RAISED_FILES}/' {quote(asked.conf)}"
        then = restart_line(view, asked.server, f"{asked.server.kind}-server", asked.conf)
        yield Finding("open-files", WARNING, asked.server.name, what, why, shell_on(asked.server, chain(line, then)))


def workers(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Servers that use one core of many."""
    for asked in view.reached():
        count, cores = asked.figure("facts", "settings", "workers"), asked.figure("facts", "cores")
        if count is not None and cores is not None and count <= 1 and cores >= MANY_CORES:
            what = f"it has {max(1, count):.0f} worker on {cores:.0f} cores"
            why = "one worker uses one core, and one slow request can hold up others"
            line = f"sed -i '/^\\[DEFAULT\\]/,/^\\[/{{/^workers *=/d}}; s/^\\[DEFAULT\\]/&\\nworkers = auto/' {quote(asked.conf)}"
            then = restart_line(view, asked.server, f"{asked.server.kind}-server", asked.conf)
            fix = shell_on(asked.server, chain(line, then))
            yield Finding("few-workers", NOTICE, asked.server.name, what, why, fix)


def sockets(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Machines that run out of ports."""
    seen = set()
    for asked in view.reached():
        waiting = asked.figure("sockstat", "time_wait")
        if waiting is not None and waiting >= limits.time_wait and asked.server.ip not in seen:
            seen.add(asked.server.ip)
            what = f"{waiting:.0f} TCP connections are in TIME_WAIT"
            why = "each holds a port for a minute: when none is left, no connection can be opened"
            fix = on(
                asked.server, "sysctl", "-w", "net.ipv4.ip_local_port_range=10240 65535", "net.ipv4.tcp_tw_reuse=1"
            )
            yield Finding("sockets", WARNING, asked.server.ip, what, why, fix)


def _show_certificate(address: str) -> str:
    return f"openssl s_client -connect {address} </dev/null | openssl x509 -noout -subject -enddate"


def certificates(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Certificates that have expired, or soon will."""
    for facts in view.certificates:
        show = f"openssl x509 -noout -subject -issuer -enddate -in {quote(facts.place)}"
        if "/" not in facts.place:
            show = _show_certificate(facts.place)
        if facts.not_after is None:
            why = "clients that cannot read a certificate do not talk to the server"
            yield Finding("certificate-unreadable", CRITICAL, facts.place, facts.problem, why, show)
            continue
        left = facts.not_after - view.taken
        if left < limits.certificate_days * DAY:
            severity = CRITICAL if left < limits.certificate_days * DAY / 4 else WARNING
            what = f"its certificate is good for {span(left)} more"
            if left <= 0:
                what = f"its certificate expired {span(-left)} ago"
            why, fix = "from then on clients refuse to talk to it", chain("certbot renew", reload_proxy(view))
            if facts.role == NODE:
                why = "from then on the nodes refuse to talk to each other; sign NEW.pem by your own authority (doc/tls.md)"
                fix = chain(copy_here(view, "NEW.pem", facts.place), reload_servers(view))
            elif facts.role == AUTHORITY:
                why = "from then on no node believes another; a new authority is brought in beside the old one (doc/tls.md)"
                fix = show
            yield Finding("certificate-expires", severity, facts.place, what, why, fix)


def memcached(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Memcached servers that do not answer."""
    for facts in view.memcached:
        if facts.problem:
            why = "proxies ask for accounts, containers and tokens again and again; without all of them, users log in anew"
            host = facts.address.rpartition(":")[0].strip("[]") or facts.address
            is_here = host.startswith("127.") or host in ("localhost", "::1")
            restarted = "systemctl restart memcached" if view.has_systemd else "service memcached restart"
            fix = restarted if is_here else f"ssh {quote(host)} systemctl restart memcached"
            yield Finding("memcached", WARNING, facts.address, facts.problem, why, fix)


def conf_errors(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Conf files of this machine that do not say what somebody meant."""
    for facts in view.confs:
        if facts.errors:
            what = facts.errors[0].removeprefix("error: ")
            if len(facts.errors) > 1:
                what += f" (and {len(facts.errors) - 1} more)"
            why = (
                "an option that nobody reads does nothing, and a value that does not fit keeps a program from starting"
            )
            fix = f"swiftlite-{facts.program} {quote(facts.path)} --check"
            yield Finding("conf-errors", WARNING, facts.path, what, why, fix)


def limited_nodes(servers: Iterable[Asked]) -> dict[str, list[str]]:
    """Devices (``ip:port/device``) that proxies pass over for their errors, with the proxies that do."""
    found: dict[str, list[str]] = {}
    for asked in servers:
        for sample in asked.table(METRICS).get("swiftlite_node_error_limited", ()):
            if sample.value and sample.labels.get("node"):
                found.setdefault(sample.labels["node"], []).append(asked.server.address)
    return found


def error_limited(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Devices that failed so often that proxies pass over them for a while."""
    for node, proxies in sorted(limited_nodes(view.reached("proxy")).items()):
        address = node.partition("/")[0]
        server = next((asked.server for asked in view.servers if asked.server.address == address), None)
        what = f"{', '.join(proxies[:5])} passes over it for its errors"
        why = "what belongs there goes to handoffs, and where too many are passed over requests fail with 503"
        fix = "swiftlite-recon --all"
        if server:
            fix = show_log(view, server, f"{server.kind}-server", conf_of(view, server), "-p", "warning")
        yield Finding("error-limited", WARNING, node, what, why, fix)


RULES: tuple[Rule, ...] = (
    unreachable,
    without_recon,
    without_metrics,
    open_files,
    workers,
    sockets,
    certificates,
    memcached,
    error_limited,
    conf_errors,
)
