"""The built-in identity over a real cluster, by the clients that people have."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import swiftclient
from keystoneauth1 import session
from keystoneauth1.exceptions import NotFound, Unauthorized
from keystoneauth1.identity import generic, v3
from keystoneclient.v3 import client

from functional.cluster import PROGRAMS, Cluster, wait_until

DOMAINS = {"user_domain_name": "Default", "project_domain_name": "Default"}


def sessions(
    cluster: Cluster, name: str = "tester", password: str = "testing", project: str = "test"
) -> session.Session:
    auth = v3.Password(f"{cluster.url}/v3", username=name, password=password, project_name=project, **DOMAINS)
    return session.Session(auth)


def account(asker: session.Session, method: str = "GET") -> int:
    found = {"service_type": "object-store"}
    return asker.request("", method, endpoint_filter=found, raise_exc=False).status_code


@pytest.mark.parametrize(
    ("version", "path"),
    [("3", "/v3"), ("3", ""), ("3", "/identity/v3"), ("2.0", "/v2.0"), ("2.0", ""), ("1", "/auth/v1.0")],
)
def test_swiftclient_logs_in_by_every_version(cluster: Cluster, version: str, path: str) -> None:
    options = {"project_name": "test", **DOMAINS} if version == "3" else {}
    connection = swiftclient.Connection(
        cluster.url + path,
        "test:tester" if version == "1" else "tester",
        "testing",
        auth_version=version,
        tenant_name=None if version == "1" else "test",
        os_options=options,
    )
    container = f"identity-{version}-{path.replace('/', '-')}"
    connection.put_container(container)
    connection.put_object(container, "o", b"body")
    assert connection.get_object(container, "o")[1] == b"body"
    assert connection.url == f"{cluster.url}/v1/AUTH_test"


@pytest.mark.parametrize("path", ["", "/v3", "/identity", "/identity/v3"])
def test_keystoneauth_finds_the_version(cluster: Cluster, path: str) -> None:
    auth = generic.Password(cluster.url + path, username="tester", password="testing", project_name="test", **DOMAINS)
    asker = session.Session(auth)
    assert asker.get_endpoint(service_type="object-store") == f"{cluster.url}/v1/AUTH_test"
    assert account(asker) in (200, 204)


def test_a_wrong_password_is_refused(cluster: Cluster) -> None:
    with pytest.raises(Unauthorized):
        sessions(cluster, password="wrong").get_token()


def test_a_program_has_a_credential_of_its_own_until_it_is_deleted(cluster: Cluster) -> None:
    keystone = client.Client(session=sessions(cluster))
    others = {found.id for found in keystone.application_credentials.list()}  # tests of other files make some, too
    made = keystone.application_credentials.create(name="backup")
    assert {found.id for found in keystone.application_credentials.list()} - others == {made.id}
    auth = v3.ApplicationCredential(
        f"{cluster.url}/v3", application_credential_id=made.id, application_credential_secret=made.secret
    )
    program = session.Session(auth)
    assert account(program) in (200, 204)
    token = program.get_token()
    keystone.application_credentials.delete(made.id)
    with pytest.raises(NotFound):
        client.Client(session=sessions(cluster, "admin", "admin", "admin")).tokens.validate(token)
    with pytest.raises(Unauthorized):
        session.Session(auth.__class__(auth.auth_url, made.secret, application_credential_id=made.id)).get_token()


def curl(cluster: Cluster, path: str, *options: str) -> tuple[int, bytes]:
    command = ["curl", "-s", "--max-time", "120", "-w", "\n%{http_code}", cluster.url + path, *options]
    body, _, status = subprocess.run(command, capture_output=True, check=True).stdout.rpartition(b"\n")
    return int(status), body


def test_a_body_that_is_no_json_is_told_so(cluster: Cluster) -> None:
    for body in ("", "{", "[]", "[" * 5000, '{"auth": {"identity": 7}}'):
        status, answer = curl(cluster, "/v3/auth/tokens", "-X", "POST", "--data-binary", body)
        assert (status, json.loads(answer)["error"]["code"]) == (400, 400)
    status, _ = curl(cluster, "/v3/auth/tokens", "-H", "Transfer-Encoding: chunked", "--data-binary", "x" * 70000)
    assert status == 413


def test_tokens_and_revocations_outlive_the_proxy(make_cluster: Callable[..., Cluster]) -> None:
    cluster = make_cluster(workers=2)
    asker = sessions(cluster)
    good = asker.get_token()
    revoked = sessions(cluster).get_token()
    client.Client(session=asker).tokens.revoke_token(revoked)

    def status(token: str) -> int:
        return curl(cluster, "/v1/AUTH_test", "-H", f"X-Auth-Token: {token}")[0]

    for _ in range(8):  # whichever worker it is
        assert (status(revoked), status(good)) == (401, 204)
    proxy = cluster.server("proxy-server")
    proxy.kill()
    proxy.start()
    assert (status(revoked), status(good)) == (401, 204)
    proxy.stop()
    conf: Path = proxy.process.conf
    conf.write_text(conf.read_text().replace("testing .admin", "changed .admin"))
    proxy.start()
    assert wait_until(lambda: status(good) == 401, "the old password's token ends")
    hashed = subprocess.run(
        [sys.executable, str(PROGRAMS / "swiftlite-hash-password")], input=b"secret\n", capture_output=True, check=True
    )
    proxy.stop()
    conf.write_text(conf.read_text().replace("changed .admin", f"{hashed.stdout.decode().strip()} .admin"))
    proxy.start()
    assert account(sessions(cluster, password="secret")) in (200, 204)
    with pytest.raises(Unauthorized):
        sessions(cluster).get_token()
    # Enough of it: the next one is not even looked at, in whichever version.
    wrong = ("-H", "X-Auth-User: test:tester", "-H", "X-Auth-Key: wrong")
    wait_until(lambda: curl(cluster, "/auth/v1.0", *wrong)[0] == 429, "wrong keys are limited")
