"""A request with the operator's X-Trans-Id-Extra is logged at DEBUG by every server it comes to; others are not."""

from __future__ import annotations

from collections.abc import Callable

from functional.client import Client
from functional.cluster import Cluster, wait_until

WORD = "look-at-this-one"
KINDS = ("proxy", "object", "container", "account")
QUIET = {"DEFAULT": {"log_level": "WARNING", "debug_trans_id_extra": WORD}}


def test_one_request_in_full_in_a_quiet_cluster(make_cluster: Callable[..., Cluster]) -> None:
    cluster = make_cluster(settings=dict.fromkeys(KINDS, QUIET))
    client = Client(cluster)

    def ask(method: str, path: str, extra: str, body: bytes = b"") -> str:
        answered = client.ask(method, path, {"X-Trans-Id-Extra": extra}, body)
        assert answered.status // 100 == 2, answered
        return answered.headers["x-trans-id"]

    def lines(kind: str, identity: str) -> list[str]:
        name = "proxy-server" if kind == "proxy" else f"{kind}-server"
        return [line for line in cluster.server(name).log.read_text().splitlines() if identity in line]

    ask("PUT", "/c", "")
    others = [ask("PUT", "/c/o", extra, b"x") for extra in ("", WORD[:-1], WORD + "x", "x" * 40)]
    put, got = ask("PUT", "/c/o", WORD, b"hello"), ask("GET", "/c/o", WORD)
    listed = ask("GET", "", WORD)
    assert put.endswith(f"-{WORD}")
    wait_until(lambda: any("/v1/AUTH_test/c/o" in line for line in lines("proxy", got)), "the proxy's access line")
    asked = [line for line in lines("proxy", got) if " DEBUG " in line]
    assert any(": asking 127.0.0.1:" in line and "GET /d" in line for line in asked), asked
    assert any(" answered 200 to a GET" in line for line in asked), asked
    wait_until(lambda: any(" INFO " in line and '"GET /d' in line for line in lines("object", got)), "the access line")
    assert any(" DEBUG " in line and "reading /" in line and ".data" in line for line in lines("object", got))
    wait_until(lambda: any('"PUT /d' in line for line in lines("container", put)), "the row's line")
    wait_until(lambda: any('"GET /d' in line for line in lines("account", listed)), "the listing's line")
    for kind in KINDS:
        for identity in others:
            assert lines(kind, identity) == []
