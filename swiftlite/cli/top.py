"""swiftlite-top: a live view of the whole cluster in a terminal."""

from __future__ import annotations

import argparse
import curses
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from swiftlite.cli.cluster_files import local_proxies
from swiftlite.cli.tool import FAILURE, SUCCESS, ToolError, look_for_swift_dir, parser, tool
from swiftlite.cli.top_frame import Line, State, frame, pressed
from swiftlite.common.concurrency import GreenThread, sleep, spawn
from swiftlite.watch.facts import Server
from swiftlite.watch.files import ring_facts, ring_names
from swiftlite.watch.gathering import CONCURRENCY, METRICS, Gatherer, clients_of_nodes, server_at, servers_of
from swiftlite.watch.rows import Look
from swiftlite.wire.direct import parse_host

USAGE = "[--swiftdir DIR] [--once] [--interval SECONDS] [options]"
DESCRIPTION = """Show the servers of the rings: requests and latencies (of those that answer /metrics), how full devices are,
updates that wait, the age of replication, quarantines, load.

Keys: q quit, s sort by the next column, r reverse, d hosts or devices, / filter by name, p pause, space look now."""

DISKS = ("devices", "diskusage", "unmounted", "quarantined")
CHECKS = {
    "object": ("load", METRICS, "facts", "async", "replication/object", *DISKS),
    "container": ("load", METRICS, "facts", "replication/container", *DISKS),
    "account": ("load", METRICS, "facts", "replication/account", *DISKS),
    "proxy": ("load", METRICS),
}
TICK = 0.05
"""Seconds between looks at the keyboard."""
KEYS = {"\n": "enter", "\r": "enter", "\x1b": "escape", "\x7f": "backspace", "\b": "backspace"}
STYLES = {"title": curses.A_BOLD, "head": curses.A_REVERSE, "dim": curses.A_DIM, "plain": curses.A_NORMAL}
COLOURS = {"bad": curses.COLOR_RED, "warn": curses.COLOR_YELLOW}


@dataclass
class Watch:
    """Looks at a cluster again and again.

    :ivar look: the last one, and the one before
    """

    servers: Sequence[Server]
    gatherer: Gatherer
    look: Look | None = None
    before: Look | None = None

    def again(self) -> None:
        """Take one more look."""
        asked = self.gatherer.ask_all(self.servers, CHECKS)
        self.before, self.look = self.look, Look(time.time(), asked)

    def lines(self, state: State) -> list[Line]:
        """What there is to show."""
        if self.look is None:
            return [Line(f"asking {len(self.servers)} servers…", "dim")]
        return frame(self.look, self.before, state)


def once(watch: Watch, interval: float, state: State) -> None:
    """Print one frame; where servers have metrics, after a second look, for rates."""
    watch.again()
    assert watch.look is not None
    if watch.look.requests():
        sleep(interval)
        watch.again()
    print("\n".join(line.text for line in watch.lines(state)))


# --- the terminal ---


class Screen:
    """The terminal while it is ours."""

    def __init__(self, window: curses.window) -> None:
        self.window = window
        window.nodelay(True)
        self.styles = dict(STYLES) | dict.fromkeys(COLOURS, curses.A_BOLD)
        try:
            curses.curs_set(0)
            curses.use_default_colors()
            for number, (name, colour) in enumerate(COLOURS.items(), 1):
                curses.init_pair(number, colour, -1)
                self.styles[name] = curses.color_pair(number)
        except curses.error:  # a terminal without colours, or without a cursor to hide
            pass

    def key(self) -> str | None:
        """What was pressed, if anything was."""
        code = self.window.getch()
        if code == curses.KEY_RESIZE:
            return "resize"
        return KEYS.get(chr(code), chr(code)) if 0 <= code < 0x110000 else None

    def draw(self, lines: Sequence[Line]) -> None:
        """Show lines, as far as there is room."""
        height, width = self.window.getmaxyx()
        self.window.erase()
        for number, line in enumerate(lines[:height]):
            # The last place of a line stays empty: writing there would scroll.
            self.window.addnstr(number, 0, line.text, max(0, width - 1), self.styles[line.style])
        self.window.refresh()


def live(window: curses.window, watch: Watch, interval: float, state: State) -> None:
    """Show frames until somebody presses q."""
    screen = Screen(window)
    looking: GreenThread | None = spawn(watch.again)
    due = time.monotonic() + interval
    shown: tuple[State, Look | None] | None = None
    while True:
        key = screen.key()
        if key == "q" and state.typed is None:
            return
        if key is not None:
            state = pressed(state, key)
        if looking is not None and looking.dead:
            looking.wait()  # raises what went wrong
            looking = None
        is_wanted = (key == " " and state.typed is None) or (time.monotonic() >= due and not state.is_paused)
        if looking is None and is_wanted:
            looking, due = spawn(watch.again), time.monotonic() + interval
        if key is not None or shown != (state, watch.look):
            shown = (state, watch.look)
            screen.draw(watch.lines(state))
        sleep(TICK if key is None else 0)


# --- the command line ---


@tool
def main(argv: Sequence[str]) -> int:
    """Run the tool; returns the exit code."""
    options = arguments().parse_args(argv)
    servers = servers_to_watch(options)
    watch = Watch(
        servers, Gatherer(options.timeout, options.concurrency, new_client=clients_of_nodes(options.swiftdir))
    )
    state = State(page="devices" if options.devices else "hosts", words=options.filter, has_keys=not options.once)
    if options.once:
        once(watch, options.interval, state)
        return SUCCESS
    if not sys.stdout.isatty():
        print("swiftlite-top: this is no terminal; --once writes one frame", file=sys.stderr)
        return FAILURE
    os.environ.setdefault("ESCDELAY", "25")
    curses.wrapper(live, watch, options.interval, state)
    return SUCCESS


def servers_to_watch(options: argparse.Namespace) -> list[Server]:
    """The servers of the rings here, and the proxies that were named, or that have a conf file here.

    :raises ToolError: when there is no ring that can be read
    """
    look_for_swift_dir(options.swiftdir)
    rings = [ring_facts(options.swiftdir, name, with_builder=False) for name in ring_names(options.swiftdir)]
    if not rings:
        raise ToolError(
            f"there is no ring in {options.swiftdir}: name the directory of the rings by --swiftdir (all-in-one: DIR/etc)"
        )
    for ring in rings:
        if ring.problem:
            raise ToolError(ring.problem)
    servers = servers_of(rings)
    proxies = options.proxy or local_proxies(options.swiftdir, servers)
    return [*servers, *(server_at("proxy", *address) for address in proxies)]


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    made = parser("swiftlite-top", USAGE, DESCRIPTION)
    add = made.add_argument
    add("--swiftdir", default="/etc/swift", metavar="DIR", help="directory of swift.conf and the rings")
    add("--once", action="store_true", help="write one frame and end")
    add("--interval", type=float, default=2.0, metavar="SECONDS", help="between two looks (default: 2)")
    add("--devices", action="store_true", help="begin with the devices")
    add("--filter", default="", metavar="WORDS", help="show only what has all of these in its name")
    add("--proxy", action="append", default=[], metavar="IP:PORT", type=parse_host, help="a proxy, to be asked too")
    add("--timeout", type=float, default=5.0, metavar="SECONDS", help="for every answer (default: 5)")
    add("--concurrency", type=int, default=CONCURRENCY, metavar="N", help="servers asked at once (default: 30)")
    return made
