"""keystonemiddleware's authtoken and our keystoneauth, at a store of their own, over our identity at another."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone

import pytest
import requests
import swiftclient
from keystoneauth1 import session
from keystoneauth1.exceptions import Unauthorized
from keystoneauth1.identity import v3
from keystoneclient.v3 import client

from functional.cluster import Cluster, wait_until

pytest.importorskip("keystonemiddleware")
PIPELINE = (
    "catch_errors gatekeeper healthcheck proxy-logging cache listing_formats bulk tempurl authtoken keystoneauth "
    "copy slo dlo versioned_writes symlink proxy-logging proxy-server"
)
DOMAINS = {"user_domain_name": "Default", "project_domain_name": "Default"}


def authtoken(keystone: str) -> dict[str, str]:
    """Return the section as operators write it; nothing is cached, so that revocations count at once."""
    return {
        "paste.filter_factory": "keystonemiddleware.auth_token:filter_factory",
        "www_authenticate_uri": keystone,
        "auth_url": f"{keystone}/v3",
        "auth_type": "password",
        "username": "admin",
        "password": "admin",
        "project_name": "admin",
        "user_domain_id": "default",
        "project_domain_id": "default",
        "delay_auth_decision": "True",
        "interface": "internal",
        "token_cache_time": "-1",
        "service_token_roles": "ResellerAdmin",
        "service_token_roles_required": "true",
    }


@pytest.fixture(scope="module")
def store(cluster: Cluster, make_session_cluster: Callable[..., Cluster]) -> Iterator[Cluster]:
    """A cluster that knows no users: it asks the shared cluster's identity about each token."""
    sections = {
        "pipeline:main": {"pipeline": PIPELINE},
        "filter:bulk": {"use": "egg:swiftlite#bulk"},
        "filter:tempurl": {"use": "egg:swiftlite#tempurl"},
        "filter:authtoken": authtoken(cluster.url),
        "filter:keystoneauth": {
            "use": "egg:swiftlite#keystoneauth",
            "reseller_prefix": "AUTH, SERVICE",
            "operator_roles": "swiftoperator",
            "SERVICE_service_roles": "ResellerAdmin",
        },
    }
    made = make_session_cluster(settings={"proxy": sections})
    yield made
    made.stop()


class Person:
    """Somebody who has logged in through the shared cluster's identity."""

    def __init__(self, cluster: Cluster, store: Cluster, name: str, password: str, project: str) -> None:
        self.auth = v3.Password(f"{cluster.url}/v3", username=name, password=password, project_name=project, **DOMAINS)
        self.session = session.Session(self.auth)
        self.store = store.url
        self.token = self.session.get_token()
        self.project = self.session.get_project_id()
        self.id = self.session.get_user_id()

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> requests.Response:
        """Ask the store for ``/v1/<path>``."""
        sent = {"X-Auth-Token": self.token} | {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.request(method, f"{self.store}/v1/{path}", data=body, headers=sent, timeout=60)


@pytest.fixture(scope="module")
def people(cluster: Cluster, store: Cluster) -> dict[str, Person]:
    logins = [
        ("tester", "testing", "test"),
        ("tester3", "testing3", "test"),
        ("tester2", "testing2", "test2"),
        ("admin", "admin", "admin"),
    ]
    return {name: Person(cluster, store, name, password, project) for name, password, project in logins}


@pytest.fixture
def container(people: dict[str, Person]) -> str:
    """A container of the operator's, with an object; ``AUTH_<project id>/<name>``."""
    owner = people["tester"]
    path = f"AUTH_{owner.project}/{uuid.uuid4().hex}"
    assert owner.ask("PUT", path).status_code == 201
    assert owner.ask("PUT", f"{path}/o", b"body").status_code == 201
    return path


def test_swiftclient_stores_and_reads_by_a_session(store: Cluster, people: dict[str, Person], container: str) -> None:
    owner = people["tester"]
    options = {"object_storage_url": f"{store.url}/v1/AUTH_{owner.project}"}
    connection = swiftclient.Connection(session=owner.session, os_options=options)
    name = container.partition("/")[2]
    connection.put_object(name, "p", b"another", content_type="text/plain")
    headers, body = connection.get_object(name, "p")
    assert (body, headers["content-type"]) == (b"another", "text/plain")
    assert [entry["name"] for entry in connection.get_container(name)[1]] == ["o", "p"]
    assert owner.session.get(f"{options['object_storage_url']}/{name}/o").content == b"body"


@pytest.mark.parametrize(
    ("who", "method", "status"),
    [
        ("tester", "GET", 200),
        ("tester", "POST", 202),
        ("tester3", "GET", 403),  # of the project, but no operator
        ("tester2", "GET", 403),
        ("tester2", "PUT", 403),
        ("admin", "GET", 200),  # ResellerAdmin
        ("admin", "POST", 202),
    ],
)
def test_what_each_may_do(people: dict[str, Person], container: str, who: str, method: str, status: int) -> None:
    assert people[who].ask(method, f"{container}/o").status_code == status


@pytest.mark.parametrize(
    ("acl", "readers"),
    [
        ("{test2}:*", {"tester2"}),
        ("{test2}:{tester2}", {"tester2"}),
        ("*:{tester3}", {"tester3"}),
        ("{test}:{tester2}", set()),
        ("*:*", {"tester2", "tester3"}),
        ("test2:tester2", {"tester2"}),  # names, of the default domain
        ("swiftoperator", set()),  # an operator of another project is none here
        ("member", {"tester3"}),  # a role that somebody has in this project
        (".r:*", {"tester2", "tester3", "nobody"}),
        (".r:*,.rlistings", {"tester2", "tester3", "nobody", "listings"}),
    ],
)
def test_access_lists(people: dict[str, Person], container: str, acl: str, readers: set[str]) -> None:
    ids = {name: person.id for name, person in people.items()}
    text = acl.format(test=people["tester"].project, test2=people["tester2"].project, **ids)
    assert people["tester"].ask("POST", container, X_Container_Read=text).status_code == 204
    allowed = {who for who in ("tester2", "tester3") if people[who].ask("GET", f"{container}/o").status_code == 200}
    for word, path in (("nobody", f"{container}/o"), ("listings", container)):
        if people["tester"].ask("GET", path, X_Auth_Token="").status_code == 200:
            allowed.add(word)
    assert allowed == readers
    assert people["tester2"].ask("PUT", f"{container}/o", b"x").status_code == 403


def test_a_write_list_lets_write_and_no_more(people: dict[str, Person], container: str) -> None:
    other = people["tester2"]
    assert people["tester"].ask("POST", container, X_Container_Write=f"{other.project}:*").status_code == 204
    assert other.ask("PUT", f"{container}/new", b"x").status_code == 201
    assert other.ask("GET", f"{container}/new").status_code == 403
    assert other.ask("POST", container, X_Container_Read=".r:*").status_code == 403
    shown = people["tester"].ask("HEAD", container).headers
    assert "X-Container-Read" not in shown


@pytest.mark.parametrize("token", ["", "wrong", "gAAAA" + "x" * 200, "é".encode().decode("latin-1")])
def test_what_is_no_token(people: dict[str, Person], container: str, token: str) -> None:
    answer = people["tester"].ask("GET", f"{container}/o", X_Auth_Token=token)
    assert answer.status_code == 401
    assert f'Swift realm="{container.partition("/")[0]}"' in answer.headers["WWW-Authenticate"]
    assert "Keystone uri=" in answer.headers["WWW-Authenticate"]


def test_a_changed_token_is_none(people: dict[str, Person], container: str) -> None:
    good = people["tester"].token
    for at in (len(good) // 3, len(good) // 2, len(good) - 3):
        bad = good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1 :]
        assert people["tester"].ask("GET", f"{container}/o", X_Auth_Token=bad).status_code == 401


def test_an_unscoped_token_opens_nothing(cluster: Cluster, people: dict[str, Person], container: str) -> None:
    auth = v3.Password(
        f"{cluster.url}/v3", username="tester", password="testing", user_domain_name="Default", unscoped=True
    )
    token = session.Session(auth).get_token()
    assert people["tester"].ask("GET", f"{container}/o", X_Auth_Token=token).status_code == 403


def test_a_revoked_token_is_none(cluster: Cluster, store: Cluster, people: dict[str, Person], container: str) -> None:
    person = Person(cluster, store, "tester", "testing", "test")
    assert person.ask("GET", f"{container}/o").status_code == 200
    client.Client(session=session.Session(person.auth.__class__(
        person.auth.auth_url, username="tester", password="testing", project_name="test", **DOMAINS
    ))).tokens.revoke_token(person.token)  # fmt: skip
    wait_until(lambda: person.ask("GET", f"{container}/o").status_code == 401, "the token is known to be revoked")
    assert people["tester"].ask("GET", f"{container}/o").status_code == 200


def test_an_expired_token_is_none(cluster: Cluster, people: dict[str, Person], container: str) -> None:
    def status(token: str) -> int:
        return people["tester"].ask("GET", f"{container}/o", X_Auth_Token=token).status_code

    for seconds in (3, 30):  # on a busy machine it may end before it can be used
        end = datetime.now(timezone.utc) + timedelta(seconds=seconds)
        made = client.Client(session=people["tester"].session).application_credentials.create(
            name=uuid.uuid4().hex, expires_at=end.replace(tzinfo=None)
        )
        auth = v3.ApplicationCredential(
            f"{cluster.url}/v3", application_credential_id=made.id, application_credential_secret=made.secret
        )
        with contextlib.suppress(Unauthorized):
            token = session.Session(auth).get_token()
            if status(token) == 200:
                break
    else:
        raise AssertionError("the token is never good")
    wait_until(lambda: status(token) == 401, "the token expires")
    assert datetime.now(timezone.utc) >= end - timedelta(seconds=1)


def test_a_service_account_needs_both_tokens(people: dict[str, Person]) -> None:
    owner, service = people["tester"], people["admin"]
    path = f"SERVICE_{owner.project}/{uuid.uuid4().hex}"
    assert owner.ask("PUT", path).status_code == 403
    assert owner.ask("PUT", path, X_Service_Token=people["tester2"].token).status_code in (401, 403)
    assert owner.ask("PUT", path, X_Service_Token=service.token).status_code == 201
    assert owner.ask("PUT", f"{path}/o", b"x", X_Service_Token=service.token).status_code == 201
    assert owner.ask("GET", f"{path}/o").status_code == 403
    listed = b"%s/o\n" % path.partition("/")[2].encode()
    account = path.partition("/")[0]
    for sent, expected in (({}, "Number Deleted: 0"), ({"X_Service_Token": service.token}, "Number Deleted: 1")):
        answer = owner.ask("POST", f"{account}?bulk-delete", listed, Content_Type="text/plain", **sent)
        assert expected in answer.text


def test_a_client_cannot_say_who_it_is(people: dict[str, Person], container: str) -> None:
    claims = {
        "X_Identity_Status": "Confirmed", "X_Roles": "ResellerAdmin", "X_Project_Id": people["tester"].project,
        "X_User_Id": people["tester"].id, "X_Service_Identity_Status": "Confirmed", "X_Service_Roles": "ResellerAdmin",
    }  # fmt: skip
    assert people["tester2"].ask("GET", f"{container}/o", **claims).status_code == 403
    assert people["tester2"].ask("GET", f"{container}/o", X_Auth_Token="", **claims).status_code == 401
