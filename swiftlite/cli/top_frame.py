"""How swiftlite-top draws a look at a cluster: lines of text, each with a style. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from swiftlite.cli.tool import printable
from swiftlite.watch.facts import Asked
from swiftlite.watch.findings import size
from swiftlite.watch.gathering import METRICS, NO_METRICS
from swiftlite.watch.rows import HostRow, Look, chosen, device_rows, host_rows, requests_since, together
from swiftlite.watch.rules_hosts import limited_nodes

HOSTS, DEVICES = "hosts", "devices"
HELP = "q quit  s sort  r reverse  d hosts/devices  / filter  p pause  space look now"


class Line(NamedTuple):
    """A line; style is ``title``, ``head``, ``plain``, ``warn``, ``bad`` or ``dim``."""

    text: str
    style: str = "plain"


class Column(NamedTuple):
    """A column: its title, what rows are sorted by, and how that is spelled."""

    title: str
    key: Callable[[Any], Any]
    spell: Callable[[Any], str]


@dataclass(frozen=True)
class State:
    """What the person at the keyboard has chosen.

    :ivar sort: number of the column
    :ivar words: rows are shown whose names hold all of them
    :ivar typed: what is being typed of these; None: nothing is
    :ivar has_keys: whether there is a keyboard, whose keys are told
    """

    page: str = HOSTS
    sort: int = 0
    is_reversed: bool = False
    words: str = ""
    typed: str | None = None
    is_paused: bool = False
    has_keys: bool = True


def _number(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}%"


def _age(seconds: float | None) -> str:
    """``42s``, ``17m``, ``5h``, ``3d``."""
    if seconds is None:
        return "-"
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f}{unit}"
    return f"{max(0.0, seconds):.0f}s"


def _size(count: float | None) -> str:
    return "-" if count is None else size(count)


def _lost(row: HostRow) -> str:
    return f"{row.devices - row.lost}/{row.devices}"


COLUMNS: dict[str, tuple[Column, ...]] = {
    HOSTS: (
        Column("HOST", lambda row: row.ip, lambda row: printable(row.ip)),
        Column("UP", lambda row: row.up - row.servers, lambda row: f"{row.up}/{row.servers}"),
        Column("REQ/S", lambda row: row.rate, lambda row: _number(row.rate, 1)),
        Column("5XX/S", lambda row: row.errors, lambda row: _number(row.errors, 1)),
        Column("MEAN ms", lambda row: row.mean, lambda row: _number(row.mean, 1)),
        Column("99% ms", lambda row: row.slow, lambda row: _number(row.slow, 1)),
        Column("DISKS", lambda row: -row.lost, _lost),
        Column("FILL", lambda row: row.fill, lambda row: _percent(row.fill)),
        Column("FREE", lambda row: row.free, lambda row: _size(row.free)),
        Column("ASYNC", lambda row: row.updates, lambda row: _number(row.updates)),
        Column("OLDEST", lambda row: row.update_age, lambda row: _age(row.update_age)),
        Column("REPL", lambda row: row.replication, lambda row: _age(row.replication)),
        Column("QUAR", lambda row: row.quarantined, lambda row: _number(row.quarantined)),
        Column("LOAD", lambda row: row.load, lambda row: _number(row.load, 2)),
    ),
    DEVICES: (
        Column("HOST", lambda row: row.ip, lambda row: printable(row.ip)),
        Column("DEVICE", lambda row: row.device, lambda row: printable(row.device)),
        Column("FILL", lambda row: row.fill, lambda row: _percent(row.fill)),
        Column("FREE", lambda row: row.free, lambda row: _size(row.free)),
        Column("SIZE", lambda row: row.size, lambda row: _size(row.size)),
        Column("INODES", lambda row: row.inodes, lambda row: _percent(row.inodes)),
        Column("PROBLEM", lambda row: row.problem or None, lambda row: printable(row.problem) or "-"),
    ),
}


def frame(look: Look, before: Look | None, state: State) -> list[Line]:
    """All lines: of the cluster, then a table."""
    columns = COLUMNS[state.page]
    hosts = host_rows(look, before)
    rows: Sequence[Any] = hosts if state.page == HOSTS else device_rows(look)
    shown = chosen(
        rows, state.words if state.typed is None else state.typed, columns[state.sort].key, state.is_reversed
    )
    table = _table(columns, shown, state)
    return [*_summary(look, before, hosts, state), Line(""), table[0], *table[1:]]


def _summary(look: Look, before: Look | None, hosts: Sequence[HostRow], state: State) -> list[Line]:
    when = time.strftime("%H:%M:%S", time.localtime(look.taken))
    up, servers = sum(row.up for row in hosts), sum(row.servers for row in hosts)
    lost = sum(row.lost for row in hosts)
    devices = sum(row.devices for row in hosts)
    updates, quarantined = (sum(getattr(row, name) or 0 for row in hosts) for name in ("updates", "quarantined"))
    limited = limited_nodes(look.asked)
    title = f"swiftlite-top {when}  {len(hosts)} hosts, {up}/{servers} servers up, {devices - lost}/{devices} devices"
    counts = f"{updates} updates wait, {quarantined} in quarantine, {len(limited)} error-limited"
    words = (
        f"filter: {state.words if state.typed is None else state.typed + '_'}"
        if state.words or state.typed is not None
        else ""
    )
    footer = f"{HELP if state.has_keys else ''}  {words}".strip()
    return [
        Line(title + ("  PAUSED" if state.is_paused else ""), "bad" if up < servers or lost else "title"),
        Line(f"{_rates(look, before)}; {counts}", "warn" if limited or quarantined else "plain"),
        *([Line(footer, "dim")] if footer else []),
    ]


def _rates(look: Look, before: Look | None) -> str:
    """What clients ask for; where no proxy tells that, why, and what servers ask of each other."""
    recent = requests_since(look, before)
    seconds = look.taken - before.taken if before else 0.0
    silent = [f"{one.server.address}: {why}" for one in look.asked if (why := _says_nothing(one))]
    unknown = f"clients' requests: unknown (proxy {printable(', '.join(silent))})" if silent else ""
    if not recent or seconds <= 0:
        is_told = any(METRICS in one.answers for one in look.asked)
        lacks = any(one.problems.get(METRICS) == NO_METRICS for one in look.asked)
        nobody = f"no server answers /metrics{f': {NO_METRICS}' if lacks else ''}"
        return unknown or f"requests: {'with the next look' if is_told else nobody}"
    proxies = [requests for name, requests in recent.items() if name.startswith("proxy-")]
    total = together(proxies or recent.values())
    whose = "clients' requests" if proxies else "requests between servers"
    slow = total.quantile(0.99)
    text = f"{whose}: {total.count / seconds:.1f}/s, {total.errors / seconds:.1f}/s 5xx"
    text += f", 99% within {1000 * slow:.1f} ms" if slow is not None else ""
    return f"{text}; {unknown}" if unknown and not proxies else text


def _says_nothing(one: Asked) -> str:
    """Why a proxy does not tell of its requests; empty: it does, or it is none."""
    if one.server.kind != "proxy" or METRICS in one.answers:
        return ""
    problem = one.problems.get(METRICS, "no answer")
    return one.problem or (problem if problem == NO_METRICS else f"/metrics: {problem}")


def _table(columns: Sequence[Column], rows: Sequence[Any], state: State) -> list[Line]:
    titles = [column.title for column in columns]
    titles[state.sort] += "v" if state.is_reversed else "^"
    cells = [[column.spell(row) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(titles, *cells)]
    return [
        Line(_aligned(titles, widths), "head"),
        *(Line(_aligned(line, widths), row.style) for row, line in zip(rows, cells)),
    ]


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (cell.rjust(width) for cell, width in zip(cells, widths))
    return "  ".join([first.strip().ljust(widths[0]), *others])


def pressed(state: State, key: str) -> State:
    """What the person has chosen after one more key: a character, or ``enter``, ``escape``, ``backspace``."""
    if state.typed is not None:
        if key == "enter":
            return replace(state, words=state.typed, typed=None)
        if key == "escape":
            return replace(state, typed=None)
        typed = state.typed[:-1] if key == "backspace" else state.typed + (key if len(key) == 1 else "")
        return replace(state, typed=typed)
    if key == "s":
        return replace(state, sort=(state.sort + 1) % len(COLUMNS[state.page]))
    if key == "r":
        return replace(state, is_reversed=not state.is_reversed)
    if key == "d":
        return replace(state, page=DEVICES if state.page == HOSTS else HOSTS, sort=0)
    if key == "/":
        return replace(state, typed="")
    if key == "p":
        return replace(state, is_paused=not state.is_paused)
    return replace(state, words="") if key == "escape" else state
