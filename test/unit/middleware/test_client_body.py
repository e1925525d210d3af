"""What a client hears of a body that a filter cannot read."""

from __future__ import annotations

import pytest

from fakes.wsgi_calls import make_environ, request
from swiftlite.common.web import Answer
from swiftlite.http.errors import BadBody, ClientDisconnected, ClientTimeout
from swiftlite.middleware.client_body import read_body
from swiftlite.middleware.symlink import Symlink, SymlinkOptions


class Broken:
    """A body that cannot be read."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def read(self, size: int) -> bytes:
        raise self.error


@pytest.mark.parametrize(
    "error, status", [(BadBody("no size"), 400), (ClientDisconnected(), 499), (ClientTimeout(), 408)]
)
def test_failures_have_their_statuses(error: Exception, status: int) -> None:
    environ = make_environ("PUT", "/v1/a/c/o") | {"wsgi.input": Broken(error)}
    with pytest.raises(Answer) as caught:
        read_body(environ, 1)
    assert caught.value.status_int == status
    environ["HTTP_X_SYMLINK_TARGET"] = "c/t"
    heard: list[str] = []
    Symlink(request, SymlinkOptions())(environ, lambda line, headers: heard.append(line))
    assert heard[0].startswith(str(status))


def test_a_body_is_read_piece_by_piece() -> None:
    environ = make_environ("PUT", "/v1/a/c/o", body=b"abc")
    assert [read_body(environ, 2) for _ in range(3)] == [b"ab", b"c", b""]
