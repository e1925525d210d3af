"""A DNS server on loopback that knows a few CNAMEs, over UDP, as a name's own server would answer."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Mapping

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

TABLES = ("127.53.53.53", 15353)
"""Where the server of the filters' tables listens, so that their confs can name it; it knows CNAMES."""
CNAMES = {
    "www.customer.test": "dns.auth-test.store.example",
    "account.customer.test": "auth-test.store.example",
    "chain.customer.test": "www.customer.test",
    "longer.customer.test": "chain.customer.test",
    "other.customer.test": "dns.other-test.store.example",
    "elsewhere.customer.test": "www.elsewhere.test",
    "loop.customer.test": "loop.customer.test",
}
FAILS = "fails.customer.test"
"""A name for which the server answers that it failed."""


class DNSServer:
    """The server; use it as a context manager. Several may listen on one address and know the same.

    :ivar asked: every name that was asked for, in order
    """

    def __init__(self, names: Mapping[str, str], address: tuple[str, int] = ("127.0.0.1", 0), ttl: int = 300) -> None:
        self.names = names
        self.ttl = ttl
        self.asked: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._socket.bind(address)
        self.address: tuple[str, int] = self._socket.getsockname()
        self._end, self._ended = socket.socketpair()  # not a word to the address, which another may get
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> DNSServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.send(b"x")
        self._thread.join()
        self.close()

    def close(self) -> None:
        """Let go of the address."""
        for one in (self._socket, self._end, self._ended):
            one.close()

    def _serve(self) -> None:
        while self._ended not in select.select([self._socket, self._ended], [], [])[0]:
            data, client = self._socket.recvfrom(4096)
            answer = self.answer(data)
            if answer is not None:
                self._socket.sendto(answer, client)

    def answer(self, data: bytes) -> bytes | None:
        """The answer to a query, None to what is none."""
        try:
            query = dns.message.from_wire(data)
        except dns.exception.DNSException:
            return None
        question = query.question[0]
        name = question.name.to_text().rstrip(".").lower()
        self.asked.append(name)
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if name == FAILS:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif name in self.names:
            target = self.names[name] + "."
            response.answer.append(dns.rrset.from_text(question.name, self.ttl, "IN", "CNAME", target))
        else:
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire()
