"""What a server is called in traces; spans cost nothing while nobody wants them."""

import pytest

from swiftlite.common import tracing
from swiftlite.http import reply
from swiftlite.middleware.tracing import default_name


@pytest.mark.parametrize(
    "conf, name",
    [
        ("/etc/swift/proxy-server.conf", "proxy-server"),
        ("/etc/swift/object-server/1.conf", "object-server"),
        ("/etc/swift/object-server", "object-server"),
        ("conf", "swift"),
    ],
)
def test_a_server_is_called_as_its_conf_file(conf, name):
    assert default_name(conf) == name


def test_nothing_is_traced_until_it_is_on(monkeypatch):
    monkeypatch.setattr(reply, "ambient_headers", None)  # another test may have loaded the filter
    tracing.stop()

    @tracing.traced("step")
    def step(number):
        with tracing.span("inner", some_fact=1):
            return number + 1

    assert step(1) == 2
    assert step.__name__ == "step"
    assert b"traceparent" not in reply.format_request(("127.0.0.1", 1), "GET", "/", [], None)
