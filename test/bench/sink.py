"""A syslog socket that forgets all it hears: both stacks pay for sending log lines, and nobody for keeping them.

Its queue is as long as systemd makes those of a machine; the kernel's own 10 would wake the daemon for nearly each line.
"""

from __future__ import annotations

import ctypes
import socket
import sys
from pathlib import Path

CLONE_NEWNET = 0x40000000
QUEUE = 512
"""systemd's net.unix.max_dgram_qlen."""


def lengthen_queue() -> None:
    """Make the queues of sockets from now on as long, in a network namespace of our own: the machine's stay as they are."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        print("not root: the syslog socket's queue is the kernel's", file=sys.stderr)
        return
    Path("/proc/sys/net/unix/max_dgram_qlen").write_text(str(QUEUE))


if __name__ == "__main__":
    lengthen_queue()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(sys.argv[1])
        while True:
            listener.recv(65536)
