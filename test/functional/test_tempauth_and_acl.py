"""Who may reach what, over a real cluster: tokens, access lists, resellers; with python-swiftclient and curl."""

from __future__ import annotations

import json
import re
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import swiftclient
from swiftclient.exceptions import ClientException

from functional.cluster import Cluster, wait_until

BODY = b"for some eyes only"


@dataclass(frozen=True)
class Answer:
    """What curl got."""

    status: int
    headers: dict[str, str]
    """By lower-case name."""
    body: bytes


def curl(cluster: Cluster, method: str, path: str, token: str | None = None, **headers: str) -> Answer:
    """Send one request with curl; ``X_Some_Header`` stands for ``X-Some-Header``."""
    command = ["curl", "-s", "-i", "--max-time", "60", "-X", method, cluster.url + path]
    if method == "HEAD":
        command = ["curl", "-s", "-I", "--max-time", "60", cluster.url + path]
    if method == "PUT":
        command += ["--data-binary", BODY.decode(), "-H", "Content-Type: text/plain"]
    if token is not None:
        command += ["-H", f"X-Auth-Token: {token}"]
    for name, value in headers.items():
        # A semicolon is how curl is told to send a header without a value.
        command += ["-H", f"{name.replace('_', '-')}: {value}" if value else f"{name.replace('_', '-')};"]
    done = subprocess.run(command, capture_output=True, timeout=90)
    assert done.returncode == 0, done.stderr
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return Answer(int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}, body)


@dataclass(frozen=True)
class Shelf:
    """A container of test:tester with one object, and everybody's token."""

    cluster: Cluster
    container: str
    owner: swiftclient.Connection
    tokens: dict[str, str]

    @property
    def path(self) -> str:
        """The container's."""
        return f"/v1/AUTH_test/{self.container}"

    def grant(self, **lists: str) -> None:
        """Set ``read`` and ``write`` lists."""
        self.owner.post_container(self.container, {f"X-Container-{name.title()}": acl for name, acl in lists.items()})

    def ask(self, method: str, user: str | None, tail: str = "", **headers: str) -> int:
        """The status of a request by a user, or by nobody."""
        token = self.tokens[user] if user else None
        return curl(self.cluster, method, self.path + tail, token, **headers).status


@pytest.fixture(scope="module")
def tokens(cluster: Cluster) -> dict[str, str]:
    return {user: cluster.token(user) for user in cluster.layout.users}


@pytest.fixture
def shelf(cluster: Cluster, tokens: dict[str, str]) -> Iterator[Shelf]:
    owner, container = cluster.connection(), f"acl-{uuid.uuid4().hex}"
    owner.put_container(container)
    owner.put_object(container, "o", BODY)
    yield Shelf(cluster, container, owner, tokens)
    for entry in owner.get_container(container)[1]:
        owner.delete_object(container, entry["name"])
    owner.delete_container(container)


# -- logging in -------------------------------------------------------------------------------------------------------


def test_a_login_gives_a_token_and_a_storage_url(cluster: Cluster) -> None:
    answer = curl(cluster, "GET", "/auth/v1.0", X_Auth_User="test:tester", X_Auth_Key="testing")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["x-storage-url"] == f"{cluster.url}/v1/AUTH_test"
    assert answer.headers["x-storage-token"] == answer.headers["x-auth-token"]
    assert 86000 < int(answer.headers["x-auth-token-expires"]) <= 86400
    assert re.fullmatch(r"tx[0-9a-f]{21}-[0-9a-f]{10}", answer.headers["x-trans-id"])
    assert curl(cluster, "HEAD", "/v1/AUTH_test", answer.headers["x-auth-token"]).status in (200, 204)


def test_a_login_with_a_wrong_key_is_refused(cluster: Cluster) -> None:
    answer = curl(cluster, "GET", "/auth/v1.0", X_Auth_User="test:tester", X_Auth_Key="wrong")
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Swift realm="test"'
    connection = swiftclient.Connection(cluster.auth_url, "test:tester", "wrong", retries=0, auth_version="1")
    with pytest.raises(ClientException, match=r"401|Unauthorized"):
        connection.head_account()


@pytest.mark.parametrize("token", [None, "nonsense", "AUTH_tk" + "0" * 32, "AUTH_stkAAAA", ""])
@pytest.mark.parametrize("tail", ["", "/o"])
def test_without_a_token_that_counts_nothing_is_shown(shelf: Shelf, token: str | None, tail: str) -> None:
    for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        answer = curl(shelf.cluster, method, shelf.path + tail, token)
        assert answer.status == 401, method
        assert answer.headers["www-authenticate"] == 'Swift realm="AUTH_test"'
        assert BODY not in answer.body
    assert shelf.owner.get_object(shelf.container, "o")[1] == BODY


def test_an_altered_token_is_refused(shelf: Shelf) -> None:
    good = shelf.tokens["test:tester"]
    assert curl(shelf.cluster, "GET", shelf.path, good).status == 200
    middle = len(good) // 2
    altered = good[:middle] + ("A" if good[middle] != "A" else "B") + good[middle + 1 :]
    assert curl(shelf.cluster, "GET", shelf.path, altered).status == 401


def test_every_worker_takes_every_workers_tokens(make_cluster: Callable[..., Cluster]) -> None:
    """A token must not depend on which process made it; each request here is a connection of its own."""
    cluster = make_cluster(workers=3)
    for token in [cluster.token() for _ in range(8)]:
        for _ in range(8):
            assert curl(cluster, "GET", "/v1/AUTH_test", token).status in (200, 204)


def test_every_worker_sees_a_new_access_list_at_once(make_cluster: Callable[..., Cluster]) -> None:
    cluster = make_cluster(workers=3)
    owner = cluster.connection()
    owner.put_container("c")
    owner.put_object("c", "o", BODY)

    def strangers() -> set[int]:
        return {curl(cluster, "GET", "/v1/AUTH_test/c/o").status for _ in range(12)}

    for acl, status in ((".r:*", 200), ("", 401), (".r:*", 200), ("test2", 401)):
        owner.post_container("c", {"X-Container-Read": acl})
        assert strangers() == {status}, acl


# -- other accounts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["test2:tester2", "test:tester3"])
@pytest.mark.parametrize("tail", ["", "/o"])
def test_another_users_container_is_closed(shelf: Shelf, user: str, tail: str) -> None:
    for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        assert shelf.ask(method, user, tail) == 403, method
    assert shelf.owner.get_object(shelf.container, "o")[1] == BODY


def test_another_account_is_closed_and_tells_not_what_it_holds(cluster: Cluster, tokens: dict[str, str]) -> None:
    for path in ("/v1/AUTH_test", "/v1/AUTH_test/never-made", "/v1/AUTH_test/never-made/o", "/v1/AUTH_nobody/c"):
        assert curl(cluster, "GET", path, tokens["test2:tester2"]).status == 403
    assert curl(cluster, "PUT", "/v1/AUTH_test/planted", tokens["test2:tester2"]).status == 403
    assert curl(cluster, "HEAD", "/v1/AUTH_test/planted", tokens["test:tester"]).status == 404


def test_accounts_are_not_made_or_deleted_where_the_operator_does_not_say_so(
    cluster: Cluster, tokens: dict[str, str]
) -> None:
    for method in ("PUT", "DELETE"):
        for user in ("test:tester", "admin:admin"):
            assert curl(cluster, method, "/v1/AUTH_test", tokens[user]).status == 405


def test_a_reseller_administers_every_account(shelf: Shelf) -> None:
    assert shelf.ask("GET", "admin:admin", "/o") == 200
    assert shelf.ask("PUT", "admin:admin", "/by-reseller") == 201
    assert shelf.ask("POST", "admin:admin", X_Container_Read="test2") == 204
    shown = curl(shelf.cluster, "HEAD", shelf.path, shelf.tokens["admin:admin"]).headers
    assert shown["x-container-read"] == "test2"
    assert shelf.ask("DELETE", "admin:admin", "/by-reseller") == 204
    hidden = curl(shelf.cluster, "GET", "/v1/AUTH_.hidden/c", shelf.tokens["admin:admin"])
    assert hidden.status == 403


# -- containers' lists ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("element", ["test2", "test2:tester2", "other, test2:tester2 ,x"])
def test_a_read_grant(shelf: Shelf, element: str) -> None:
    shelf.grant(read=element)
    assert shelf.ask("GET", "test2:tester2") == 200
    assert shelf.ask("GET", "test2:tester2", "/o") == 200
    assert shelf.ask("HEAD", "test2:tester2", "/o") == 200
    for method in ("PUT", "POST", "DELETE"):
        assert shelf.ask(method, "test2:tester2", "/o") == 403
    assert shelf.ask("GET", "test:tester3", "/o") == 403
    assert shelf.ask("GET", None, "/o") == 401
    shelf.grant(read="")
    assert shelf.ask("GET", "test2:tester2", "/o") == 403


def test_a_write_grant(shelf: Shelf) -> None:
    shelf.grant(write="test2:tester2")
    assert shelf.ask("PUT", "test2:tester2", "/theirs") == 201
    assert shelf.ask("POST", "test2:tester2", "/theirs", X_Object_Meta_A="b") == 202
    assert shelf.ask("GET", "test2:tester2", "/theirs") == 403
    assert shelf.ask("PUT", "test:tester3", "/theirs") == 403
    assert shelf.ask("POST", "test2:tester2") == 403, "the container itself is its owner's"
    assert shelf.ask("DELETE", "test2:tester2") == 403
    assert shelf.ask("DELETE", "test2:tester2", "/theirs") == 204


def test_grants_within_one_account(shelf: Shelf) -> None:
    """test:tester3 has no .admin: even in the own account it may only what lists say."""
    shelf.grant(read="test:tester3", write="test:tester3")
    assert shelf.ask("PUT", "test:tester3", "/x") == 201
    assert shelf.ask("GET", "test:tester3", "/x") == 200
    assert shelf.ask("DELETE", "test:tester3", "/x") == 204


def test_the_world_may_read_objects_but_not_the_listing(shelf: Shelf) -> None:
    shelf.grant(read=".r:*")
    answer = curl(shelf.cluster, "GET", f"{shelf.path}/o")
    assert (answer.status, answer.body) == (200, BODY)
    assert shelf.ask("GET", None) == 401
    assert shelf.ask("GET", "test2:tester2") == 403
    assert shelf.ask("PUT", None, "/o") == 401
    shelf.grant(read=".r:*,.rlistings")
    listing = curl(shelf.cluster, "GET", shelf.path)
    assert (listing.status, listing.body) == (200, b"o\n")
    assert "x-container-read" not in listing.headers, "the lists are for owners"
    assert shelf.ask("GET", None, "?format=json") == 200


def test_a_bad_token_is_refused_even_where_the_world_may_read(shelf: Shelf) -> None:
    shelf.grant(read=".r:*")
    assert curl(shelf.cluster, "GET", f"{shelf.path}/o", "AUTH_tk" + "0" * 32).status == 401


def test_referrers(shelf: Shelf) -> None:
    shelf.grant(read=".r:.example.com,.r:-bad.example.com")
    assert shelf.ask("GET", None, "/o", Referer="http://www.example.com/page") == 200
    assert shelf.ask("GET", None, "/o", Referer="http://bad.example.com/page") == 401
    assert shelf.ask("GET", None, "/o", Referer="http://example.org/") == 401
    assert shelf.ask("GET", None, "/o") == 401


def test_lists_are_stored_clean_and_shown_to_owners(shelf: Shelf) -> None:
    read, write = " .referrer : *.example.com , bob,, ", "bob , sue"
    assert shelf.ask("POST", "test:tester", X_Container_Read=read, X_Container_Write=write) == 204
    headers = shelf.owner.head_container(shelf.container)
    assert headers["x-container-read"] == ".r:.example.com,bob"
    assert headers["x-container-write"] == "bob,sue"


@pytest.mark.parametrize(
    ("name", "acl"), [("Read", ".unknown:x"), ("Read", ".r:"), ("Write", ".r:*"), ("Write", "bob,.ref:x")]
)
def test_a_list_that_makes_no_sense_is_refused_and_changes_nothing(shelf: Shelf, name: str, acl: str) -> None:
    shelf.grant(read="bob", write="bob")
    answer = curl(shelf.cluster, "POST", shelf.path, shelf.tokens["test:tester"], **{f"X_Container_{name}": acl})
    assert answer.status == 400
    assert b"ACL" in answer.body
    assert shelf.owner.head_container(shelf.container)[f"x-container-{name.lower()}"] == "bob"


# -- accounts' lists --------------------------------------------------------------------------------------------------


@pytest.fixture
def account_grant(shelf: Shelf) -> Iterator[Callable[[dict[str, list[str]]], None]]:
    """Set test's account list; take it back in the end."""

    def grant(lists: dict[str, list[str]]) -> None:
        shelf.owner.post_account({"X-Account-Access-Control": json.dumps(lists)})

    yield grant
    shelf.owner.post_account({"X-Account-Access-Control": ""})


@pytest.mark.parametrize(
    ("level", "reads", "writes", "owns"),
    [("read-only", 200, 403, 403), ("read-write", 200, 201, 403), ("admin", 200, 201, 204)],
)
def test_account_grants(
    shelf: Shelf, account_grant: Callable[..., None], level: str, reads: int, writes: int, owns: int
) -> None:
    account_grant({level: ["test2:tester2"]})
    token = shelf.tokens["test2:tester2"]
    assert shelf.ask("GET", "test2:tester2", "/o") == reads
    assert shelf.ask("GET", "test2:tester2") == reads
    assert curl(shelf.cluster, "GET", "/v1/AUTH_test", token).status == 200
    assert shelf.ask("PUT", "test2:tester2", "/new") == writes
    assert curl(shelf.cluster, "POST", "/v1/AUTH_test", token, X_Account_Meta_A="b").status == owns
    assert shelf.ask("GET", "test:tester3", "/o") == 403
    assert shelf.ask("GET", None, "/o") == 401
    shown = curl(shelf.cluster, "HEAD", "/v1/AUTH_test", token).headers.get("x-account-access-control")
    assert shown == ('{"admin":["test2:tester2"]}' if level == "admin" else None)
    account_grant({})
    assert shelf.ask("GET", "test2:tester2", "/o") == 403


def test_an_account_list_is_shown_in_one_spelling_to_owners_only(
    shelf: Shelf, account_grant: Callable[..., None]
) -> None:
    account_grant({"read-only": ["b", "a"], "admin": ["é"]})
    headers = curl(shelf.cluster, "HEAD", "/v1/AUTH_test", shelf.tokens["test:tester"]).headers
    assert headers["x-account-access-control"] == '{"admin":["\\u00e9"],"read-only":["b","a"]}'
    assert not [name for name in headers if "sysmeta" in name or "backend" in name]


@pytest.mark.parametrize("sent", ["nonsense", '{"owner":[]}', '{"admin":"x"}', '{"admin":[1]}'])
def test_an_account_list_that_makes_no_sense_is_refused(shelf: Shelf, sent: str) -> None:
    token = shelf.tokens["test:tester"]
    answer = curl(shelf.cluster, "POST", "/v1/AUTH_test", token, X_Account_Access_Control=sent)
    assert answer.status == 400
    assert answer.body.startswith(b"X-Account-Access-Control invalid")


# -- the other filters, as clients see them ---------------------------------------------------------------------------


def test_internal_headers_of_clients_do_nothing(shelf: Shelf) -> None:
    token = shelf.tokens["test2:tester2"]
    forged = {"X_Account_Sysmeta_Core_Access_Control": '{"admin":["test2"]}', "X_Backend_Storage_Policy_Index": "7"}
    assert shelf.ask("POST", "test2:tester2", **forged) == 403
    assert curl(shelf.cluster, "POST", "/v1/AUTH_test", shelf.tokens["test:tester"], **forged).status == 204
    assert curl(shelf.cluster, "GET", shelf.path, token).status == 403
    answer = curl(shelf.cluster, "GET", f"{shelf.path}/o", shelf.tokens["test:tester"], X_Backend_Replication="true")
    assert answer.status == 200
    assert not [name for name in answer.headers if name.startswith("x-backend")]


def test_capabilities_name_the_filter(cluster: Cluster) -> None:
    assert json.loads(curl(cluster, "GET", "/info").body)["tempauth"] == {"account_acls": True}


def test_a_request_is_logged_once_with_its_user_and_without_its_token(shelf: Shelf) -> None:
    trace = curl(shelf.cluster, "GET", f"{shelf.path}/o?x=1", shelf.tokens["test:tester"]).headers["x-trans-id"]
    log = shelf.cluster.server("proxy-server").log

    def lines() -> list[str]:
        return [line for line in log.read_text().splitlines() if trace in line and " GET " in line]

    (line,) = wait_until(lines, "the access log line")
    assert f"{shelf.path}/o%3Fx%3D1 HTTP/1.1 200 " in line
    assert f" {len(BODY)} - {trace} " in line
    assert line.endswith(" 0 test:tester")
    assert shelf.tokens["test:tester"] not in log.read_text()
