"""TLSStream: a Stream whose bytes go over TLS, whichever end began it."""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
from collections.abc import Sequence
from time import monotonic

from swiftlite.http.errors import StreamClosed, StreamTimeout
from swiftlite.http.stream import Piece, Stream
from swiftlite.http.waiter import Waiter

RECORD = 16384
"""Most bytes that one TLS record carries, and so one read gives (RFC 8446 5.1)."""
WRITE_AT_ONCE = 256 * 1024


class HandshakeFailed(Exception):
    """The other end speaks no TLS, or none that both accept, or cannot prove who it is.

    :ivar reason: OpenSSL's word for it, such as ``HTTP_REQUEST``; may be empty
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(spell(error))
        self.reason: str = getattr(error, "reason", None) or ""


class TLSStream(Stream):
    """Takes the place of a plain stream, which is of no use afterwards. ``shake_hands`` comes before all else.

    Args:
        plain: a connected stream with nothing in its buffer.
        context: of the end that we are.
        server_hostname: whom we want to speak with, at the client's end; an IP address, too. None: we are the server.

    Raises:
        HandshakeFailed: the connection is gone already; it is closed.
    """

    __slots__ = ("_is_hung_up", "tls")

    def __init__(self, plain: Stream, context: ssl.SSLContext, server_hostname: str | None = None) -> None:
        plain.waiter.close()
        plain.closed = True  # Its socket lives on, in this one.
        try:
            self.tls = context.wrap_socket(
                plain.sock,
                server_side=server_hostname is None,
                server_hostname=server_hostname,
                do_handshake_on_connect=False,
                suppress_ragged_eofs=False,  # An end without close_notify may be an attacker's.
            )
        except (OSError, ValueError) as error:
            self.closed = True
            plain.sock.close()
            raise HandshakeFailed(error) from None
        super().__init__(self.tls)
        # No method of this one: the stream could not be collected without the garbage collector then.
        self._is_hung_up = False
        self.wait_readable = functools.partial(_wait_readable, self.tls, self.waiter)

    def shake_hands(self, timeout: float) -> None:
        """Agree with the other end on keys; raise HandshakeFailed, or StreamTimeout after so many seconds in all."""
        deadline = monotonic() + timeout
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self.waiter.wait_readable(max(0.0, deadline - monotonic()))
            except ssl.SSLWantWriteError:
                self.wait_writable(max(0.0, deadline - monotonic()))
            except (OSError, ValueError) as error:
                raise HandshakeFailed(error) from None
            else:
                return

    # -- reading ---------------------------------------------------------------------------------------------------

    def recv(self, limit: int, timeout: float | None) -> bytes:
        """Return up to ``limit`` bytes, ``b""`` at the end that the other end has declared. Raises as a Stream."""
        while True:
            if self._is_hung_up and self._is_at_end():
                return b""
            try:
                data = self.tls.read(limit)
                break
            except (OSError, ValueError) as error:
                self._wait_for(error, timeout)
        if len(data) == RECORD < limit:
            data = self._more(data, limit)
        self._take_turns(len(data))
        return data

    def _more(self, data: bytes, limit: int) -> bytes:
        """Whole records seldom come alone; an error will be met again by the next read."""
        parts, missing = [data], limit - len(data)
        with contextlib.suppress(OSError, ValueError):
            while missing and len(parts[-1]) == RECORD:
                parts.append(self.tls.read(missing))
                missing -= len(parts[-1])
        return b"".join(parts)

    def recv_into(self, view: memoryview, timeout: float | None) -> int:
        """Like ``recv``, into a caller's buffer; return the number of bytes, 0 at the end."""
        while True:
            if self._is_hung_up and self._is_at_end():
                return 0
            try:
                last = count = _read_into(self.tls, view)
                break
            except (OSError, ValueError) as error:
                self._wait_for(error, timeout)
        with contextlib.suppress(OSError, ValueError):
            while last == RECORD and count < len(view):
                last = _read_into(self.tls, view[count:])
                count += last
        self._take_turns(count)
        return count

    def fill_now(self) -> bool:
        """Append what has come to the buffer, without waiting; tell whether anything has, if only the end."""
        try:
            self.buffer += self.tls.read(65536)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False  # Perhaps part of a record, or a message of TLS itself.
        except (OSError, ValueError):
            return True  # The next read will meet it again, and tell.
        return True

    def comes_within(self, timeout: float) -> bool:
        """Wait up to so many seconds; tell whether the next read will not wait."""
        deadline = monotonic() + timeout
        while not self.has_arrived():
            try:
                self.waiter.wait_readable(max(0.0, deadline - monotonic()))
            except StreamTimeout:
                return False
        return True

    def is_stale(self) -> bool:
        """Tell whether an idle connection is of no use: closed, reset, or with bytes nobody asked for."""
        return self.has_arrived()

    # -- writing ---------------------------------------------------------------------------------------------------

    def send(self, data: Piece, timeout: float | None) -> None:
        """Send all of ``data``; arguments and errors as for a Stream."""
        view = memoryview(data)
        while view:
            piece = view[:WRITE_AT_ONCE]
            try:
                view = view[self.tls.write(piece) :]
            except (OSError, ValueError) as error:
                self._wait_for(error, timeout)
            else:
                self._take_turns(len(piece))

    def send_parts(self, parts: Sequence[Piece], timeout: float | None) -> None:
        """Send several buffers as one: small records and packets would cost more than the copy."""
        self.send(b"".join(parts), timeout)

    def send_now(self, parts: Sequence[Piece]) -> list[Piece]:
        """Send what there is room for, without waiting; return what is left, which must be sent next. Raises StreamClosed.

        OpenSSL may have taken part of a piece that is left: it wants to be given that one again, or more, but not less.
        """
        view = memoryview(b"".join(parts))
        while view:
            piece = view[:WRITE_AT_ONCE]
            try:
                view = view[self.tls.write(piece) :]
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return [view]
            except (OSError, ValueError) as error:
                raise StreamClosed(spell(error)) from None
            self._take_turns(len(piece))
        return []

    def _wait_for(self, error: Exception, timeout: float | None) -> None:
        """Wait for what TLS wants to go on; raise StreamClosed if it cannot."""
        if isinstance(error, ssl.SSLWantReadError):
            self.waiter.wait_readable(timeout)
        elif isinstance(error, ssl.SSLWantWriteError):
            self.wait_writable(timeout)
        else:
            raise StreamClosed(spell(error)) from None

    # -- ending ----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Tell the other end that this was all, and close the socket; harmless when repeated."""
        if not self.closed:
            self._say_goodbye()
            super().close()

    def reset(self) -> None:
        """Close with a TCP reset and without close_notify: the other end must not take what it has got for complete."""
        if not self.closed:
            with contextlib.suppress(OSError):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            super().close()

    def hang_up(self, how: int = socket.SHUT_RD) -> None:
        """Make whoever reads this stream (or uses it at all, with SHUT_RDWR) see its end; the owner still closes it."""
        self._is_hung_up = True
        if how != socket.SHUT_RD:
            self._say_goodbye()
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.sock, how)  # SSLSocket's own would go on in the clear.

    def _is_at_end(self) -> bool:
        """After a ``hang_up``: whether all that had come is read. OpenSSL would take that end for an attack, and say so."""
        with contextlib.suppress(OSError):
            return not self.tls.pending() and socket.socket.recv(self.sock, 1, socket.MSG_PEEK) == b""
        return False

    def _say_goodbye(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self.tls.unwrap()  # Sends close_notify; the other end's is not waited for.

    def refuse_in_the_clear(self, answer: bytes) -> None:
        """Tell a client that has not spoken TLS at all, as far as that goes without waiting."""
        with contextlib.suppress(OSError):
            # Unread bytes would make the kernel reset the connection, and the answer would be lost.
            socket.socket.recv(self.sock, 65536)
            socket.socket.send(self.sock, answer)
            socket.socket.shutdown(self.sock, socket.SHUT_WR)


def _wait_readable(tls: ssl.SSLSocket, waiter: Waiter, timeout: float | None) -> None:
    """What has been decrypted already is not to be waited for on the socket."""
    if not tls.pending():
        waiter.wait_readable(timeout)


def _read_into(tls: ssl.SSLSocket, view: memoryview) -> int:
    return tls.read(len(view), view)  # type: ignore[arg-type,return-value] # with a buffer it gives a count


def spell(error: Exception) -> str:
    """An error of TLS in few words."""
    text = str(getattr(error, "verify_message", "") or getattr(error, "reason", None) or error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {text}"
    return text.replace("_", " ").lower() if text.isupper() else text
