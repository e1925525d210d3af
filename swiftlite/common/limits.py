"""What the kernel lets a daemon have: open files, processes, memory, and its place when memory runs out."""

from __future__ import annotations

import resource
from logging import Logger

from swiftlite.common.config import ServerOptions

Limits = tuple[int, int]
"""Soft and hard; -1: none."""


def raised(now: Limits, least: int, may_raise: bool) -> Limits:
    """Limits of which the soft one allows at least so much, if that may be.

    :param now: what is in force
    :param may_raise: whether the hard one may be raised, too
    """
    soft, hard = now
    if soft == resource.RLIM_INFINITY or soft >= least:
        return now
    if hard == resource.RLIM_INFINITY or hard >= least:
        return least, hard
    return (least, least) if may_raise else (hard, hard)


def lowered(now: Limits, most: int) -> Limits:
    """Limits that allow no more than so much."""
    soft, hard = now
    return (min(soft, most) if soft >= 0 else most), (min(hard, most) if hard >= 0 else most)


def apply(options: ServerOptions, logger: Logger) -> None:
    """Set what the options ask for; what the kernel refuses is logged, and left. To be called before root is given up.

    Files and processes are lower bounds: whoever allows more, say systemd, may. Memory is an upper bound.
    """
    _raise("rlimit_nofile", resource.RLIMIT_NOFILE, options, logger)
    _raise("rlimit_processes", resource.RLIMIT_NPROC, options, logger)
    if options.rlimit_memory > 0:
        limits = lowered(resource.getrlimit(resource.RLIMIT_DATA), options.rlimit_memory)
        resource.setrlimit(resource.RLIMIT_DATA, limits)
    if options.oom_score_adj is not None:
        try:
            with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
                file.write(str(options.oom_score_adj))
        except OSError as error:
            logger.warning("cannot set oom_score_adj to %d: %s", options.oom_score_adj, error.strerror)


def _raise(name: str, kind: int, options: ServerOptions, logger: Logger) -> None:
    least, now = getattr(options, name), resource.getrlimit(kind)
    for may_raise in (True, False):
        wanted = raised(now, least, may_raise)
        if least <= 0 or wanted == now:
            return
        try:
            resource.setrlimit(kind, wanted)
            return
        except (OSError, ValueError) as error:
            if least != getattr(ServerOptions, name):  # else nobody has asked for it
                logger.warning("cannot raise %s to %d: %s", name, wanted[0], error)
