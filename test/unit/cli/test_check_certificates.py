"""What --check says of certificates: real ones, of a real authority."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fakes.certificates import Authority
from swiftlite.cli.check_certificates import check_certificates, ring_hosts
from swiftlite.cli.findings import Report
from swiftlite.common.backend_tls import PLAIN, BackendTLS
from swiftlite.common.conf_lines import Outline
from swiftlite.common.config import ServerOptions, read_options

SERVER = {"bind_ip": "10.0.0.1", "bind_port": "6200"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


def ring(*devices: tuple[str, int, str, int] | None) -> Any:
    names = ("ip", "port", "replication_ip", "replication_port")
    return SimpleNamespace(devices=[device and dict(zip(names, device)) for device in devices])


RINGS = {"object": ring(("10.0.0.1", 6200, "10.0.0.1", 6200), None, ("10.0.0.2", 6200, "10.0.0.2", 6200))}


def found(backend: BackendTLS = PLAIN, program: str = "object-server", rings: Any = RINGS, **texts: str) -> list[str]:
    options = read_options(ServerOptions, {**SERVER, **texts}, "server.conf", "DEFAULT")
    report = Report(Outline("server.conf"))
    check_certificates(report, program, options, backend, rings)
    return [finding.text for finding in report.findings]


def backend_of(authority: Authority, path: str) -> BackendTLS:
    return BackendTLS(True, False, authority.ca_file, path)


def test_one_that_names_this_node_is_believed(authority: Authority) -> None:
    good = authority.issue("good.pem", "10.0.0.1", "node1")
    assert found(backend_of(authority, good)) == []
    assert found(backend_of(authority, good), cert_file=good) == []
    assert found() == []


@pytest.mark.parametrize("option", ["backend_cert_file", "cert_file"])
def test_one_that_does_not(authority: Authority, option: str) -> None:
    other, good = authority.issue("other.pem", "10.0.0.2"), authority.issue("good.pem", "10.0.0.1")
    what = "the certificate does not name 10.0.0.1, under which the rings know this node"
    told = [f"error: {other}: {what}; make one with subjectAltName = IP:10.0.0.1, as doc/tls.md shows"]
    if option == "cert_file":
        assert found(backend_of(authority, good), cert_file=other) == told
    else:
        assert found(backend_of(authority, other)) == told
    # Who asks a proxy asks for a name that no ring knows; a node without TLS between nodes is not asked at all.
    assert found(PLAIN, "proxy-server", cert_file=other) == found(PLAIN, cert_file=other) == []


def test_each_address_and_name_of_this_node_is_asked_for(authority: Authority) -> None:
    rings = {
        "object": ring(("10.0.0.1", 6200, "127.0.0.1", 6200)),
        "object-1": ring(("localhost", 6200, "10.0.0.1", 7200)),
    }
    assert ring_hosts(rings.values(), "0.0.0.0", 6200) == ["127.0.0.1", "localhost"]
    other = backend_of(authority, authority.issue("other.pem", "node1"))
    told = found(other, rings=rings, bind_ip="0.0.0.0")
    assert ["does not name 127.0.0.1" in told[0], "does not name localhost" in told[1]] == [True, True]
    assert "subjectAltName = DNS:localhost" in told[1] and len(told) == 2


def test_one_of_another_authority(authority: Authority, tmp_path: Path) -> None:
    strange = Authority(tmp_path).issue("good.pem", "10.0.0.1")
    (told,) = found(backend_of(authority, strange))
    assert told.startswith(
        f"error: {strange}: other nodes would not believe the certificate for 10.0.0.1: certificate ver"
    )


def test_one_that_ends_soon(authority: Authority) -> None:
    soon = authority.issue("soon.pem", "10.0.0.1", days=5)
    (told,) = found(backend_of(authority, soon))
    assert told.startswith(f"warning: {soon}: the certificate expires in 5 days, 20")
    assert found(PLAIN, "proxy-server", cert_file=soon) == [told]
    assert found(PLAIN, "proxy-server", cert_file=authority.issue("later.pem", "x", days=15)) == []


def test_one_that_has_expired_is_told_of_once(authority: Authority) -> None:
    old = authority.issue("old.pem", "10.0.0.1", expired=True)
    (told,) = found(backend_of(authority, old))
    assert told == f"error: {old}: the certificate has expired, 2020-01-01 00:00 UTC; put a new one there, and reload"


def test_another_key(authority: Authority) -> None:
    good, other = authority.issue("good.pem", "10.0.0.1"), authority.issue("other.pem", "10.0.0.1")
    (told,) = found(cert_file=good, key_file=other)
    assert f"key_file: the key of {other} is not that of {good}; correct it" in told
