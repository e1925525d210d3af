"""Copies within a real cluster: between accounts, of large objects, of what breaks; and POSTs that are copies."""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

import pytest
import requests

from functional.cluster import Cluster, wait_until

BODY = b"hello"
BIG = random.Random(5).randbytes(3_000_000)


@dataclass(frozen=True)
class Shop:
    """Two accounts with a container of the same name each, and everybody's token."""

    cluster: Cluster
    container: str
    tokens: dict[str, str]

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        user: str | None = "test:tester",
        account: str = "AUTH_test",
        **headers: str,
    ) -> requests.Response:
        """Make a request; `path` follows the container's name, more headers have underscores for dashes."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if user:
            sent["X-Auth-Token"] = self.tokens[user]
        path, _, query = path.partition("?")
        url = f"{self.cluster.url}/v1/{account}/{self.container}{quote(path)}"
        return requests.request(method, f"{url}?{query}" if query else url, data=body, headers=sent, timeout=60)

    def put(self, name: str, body: bytes = BODY, **headers: str) -> None:
        """Store an object in the first account."""
        assert self.ask("PUT", f"/{name}", body, **headers).status_code == 201

    def copy(self, name: str, to: str = "copy", **headers: str) -> requests.Response:
        """COPY within the container, or to another account's."""
        return self.ask("COPY", f"/{name}", Destination=f"{self.container}/{to}", **headers)


@pytest.fixture(scope="module")
def cluster(make_session_cluster: Callable[..., Cluster]) -> Cluster:
    """A cluster that does a POST as older ones did."""
    settings = {
        "app:proxy-server": {"object_post_as_copy": "true"},
        "filter:copy": {"yield_frequency": "0.001"},
        "filter:versioned_writes": {"allow_versioned_writes": "true"},
    }
    return make_session_cluster(settings={"proxy": settings})


@pytest.fixture(scope="module")
def tokens(cluster: Cluster) -> dict[str, str]:
    return {user: cluster.token(user) for user in cluster.layout.users}


@pytest.fixture
def shop(cluster: Cluster, tokens: dict[str, str]) -> Shop:
    made = Shop(cluster, uuid.uuid4().hex, tokens)
    assert made.ask("PUT", "").status_code == 201
    assert made.ask("PUT", "", user="test2:tester2", account="AUTH_test2").status_code == 201
    return made


def test_a_big_object_is_copied_byte_by_byte(shop: Shop) -> None:
    shop.put("big", BIG, Content_Type="x/big", X_Object_Meta_A="b")
    answer = shop.copy("big")
    assert (answer.status_code, answer.headers["Etag"]) == (201, hashlib.md5(BIG).hexdigest())
    assert answer.headers["X-Copied-From"] == f"{shop.container}/big"
    found = shop.ask("GET", "/copy")
    assert (found.content, found.headers["Content-Type"], found.headers["X-Object-Meta-A"]) == (BIG, "x/big", "b")
    assert shop.copy("big", "part", Range="bytes=1000000-2999998").status_code == 201
    assert shop.ask("GET", "/part").content == BIG[1000000:2999999]


def test_an_object_is_copied_onto_itself_while_it_is_read(shop: Shop) -> None:
    shop.put("big", BIG)
    assert shop.copy("big", "big", X_Object_Meta_A="b").status_code == 201
    found = shop.ask("GET", "/big")
    assert (found.content, found.headers["X-Object-Meta-A"]) == (BIG, "b")


def test_between_accounts_both_owners_must_allow_it(shop: Shop) -> None:
    """The same two ways, as the owner of the one account and as that of the other."""
    shop.put("source")
    there = {"user": "test2:tester2", "account": "AUTH_test2"}
    pull = {"X_Copy_From": f"{shop.container}/source", "X_Copy_From_Account": "AUTH_test"}
    assert shop.ask("PUT", "/copy", b"", **there, **pull).status_code == 403
    assert shop.copy("source", Destination_Account="AUTH_test2").status_code == 403
    assert shop.ask("GET", "/copy", **there).status_code == 404

    assert shop.ask("POST", "", X_Container_Read="test2:tester2").status_code == 204
    answer = shop.ask("PUT", "/copy", b"", **there, **pull)
    assert (answer.status_code, answer.headers["X-Copied-From-Account"]) == (201, "AUTH_test")
    assert shop.ask("GET", "/copy", **there).content == BODY
    # Who may read here may not therefore write here.
    back = {"user": "test2:tester2", "account": "AUTH_test2", "Destination_Account": "AUTH_test"}
    assert shop.ask("COPY", "/copy", None, Destination=f"{shop.container}/back", **back).status_code == 403
    assert shop.ask("GET", "/back").status_code == 404

    assert shop.ask("POST", "", **there, X_Container_Write="test:tester").status_code == 204
    assert shop.copy("source", "pushed", Destination_Account="AUTH_test2").status_code == 201
    assert shop.ask("GET", "/pushed", **there).content == BODY


def test_without_a_token_nothing_is_copied(shop: Shop) -> None:
    shop.put("source")
    assert shop.ask("COPY", "/source", user=None, Destination=f"{shop.container}/copy").status_code == 401
    assert shop.ask("POST", "", X_Container_Read=".r:*").status_code == 204
    assert shop.ask("COPY", "/source", user=None, Destination=f"{shop.container}/copy").status_code == 401
    assert shop.ask("GET", "/copy").status_code == 404


def test_the_log_tells_of_the_copy_and_of_the_read_behind_it(shop: Shop) -> None:
    shop.put("source")
    answer = shop.copy("source")
    transaction = answer.headers["X-Trans-Id"]

    def lines() -> list[list[str]]:
        text = shop.cluster.server("proxy-server").log.read_text().splitlines()
        found = [
            line.split("HTTP/1.", 1)[0].split()[-2:] + line.split()[-1:] for line in text if f" {transaction} " in line
        ]
        return [line for line in found if len(line) > 2]

    logged = wait_until(lambda: len(lines()) >= 2 and lines(), "two lines")
    path = f"/v1/AUTH_test/{shop.container}/source"
    assert sorted(line[:2] for line in logged) == [["COPY", path], ["GET", f"{path}"]]


def test_heartbeats_come_while_it_is_copied_and_the_result_at_the_end(shop: Shop) -> None:
    shop.put("big", BIG, X_Object_Meta_A="b")
    url = "/big?heartbeat=on"
    answer = shop.ask("COPY", url, Destination=f"{shop.container}/copy", Accept="application/json")
    assert (answer.status_code, answer.headers["Content-Type"]) == (202, "application/json")
    result = json.loads(answer.content)
    assert (result["Response Status"], result["X-Object-Meta-A"], result["Errors"]) == ("201 Created", "b", [])
    assert result["Etag"] == hashlib.md5(BIG).hexdigest()
    assert shop.ask("GET", "/copy").content == BIG
    failed = shop.ask("COPY", url, Destination="nowhere/copy", Accept="application/json").json()
    assert failed["Response Status"] == "404 Not Found"
    assert failed["Errors"] == [[f"{shop.container}/big", "404 Not Found"]]


# --- object_post_as_copy --------------------------------------------------------------------------------------------


def test_a_post_is_a_copy(shop: Shop) -> None:
    shop.put(
        "o", BIG, Content_Type="x/old", X_Object_Meta_A="b", X_Delete_At="4000000000", Content_Disposition="inline"
    )
    before = shop.ask("HEAD", "/o").headers
    posted = shop.ask("POST", "/o", X_Object_Meta_C="d")
    assert posted.status_code == 202
    assert not shop.cluster.files("objects/**/*.meta")
    found = shop.ask("GET", "/o")
    assert found.content == BIG
    assert (found.headers["X-Object-Meta-C"], found.headers["Content-Type"]) == ("d", "x/old")
    assert not {"X-Object-Meta-A", "X-Delete-At", "Content-Disposition"} & set(found.headers)
    assert found.headers["X-Timestamp"] > before["X-Timestamp"]

    assert shop.ask("POST", "/o", Content_Type="x/new", X_Delete_After="1000").status_code == 202
    assert shop.ask("HEAD", "/o").headers["Content-Type"] == "x/new"
    assert "X-Delete-At" in shop.ask("HEAD", "/o").headers
    (entry,) = shop.ask("GET", "?format=json").json()
    assert (entry["content_type"], entry["bytes"]) == ("x/new", len(BIG))


@pytest.mark.parametrize(
    ("user", "status"), [("test:tester", 404), ("test:tester3", 403), ("test2:tester2", 403), (None, 401)]
)
def test_who_may_not_write_learns_nothing_from_a_post(shop: Shop, user: str | None, status: int) -> None:
    assert shop.ask("POST", "/nothing", user=user, X_Object_Meta_A="b").status_code == status
    if user != "test:tester":
        shop.put("o", X_Object_Meta_A="before")
        assert shop.ask("POST", "/o", user=user, X_Object_Meta_A="b").status_code == status
        assert shop.ask("HEAD", "/o").headers["X-Object-Meta-A"] == "before"


def test_who_may_only_write_may_post(shop: Shop) -> None:
    shop.put("o")
    assert shop.ask("POST", "", X_Container_Write="test:tester3").status_code == 204
    assert shop.ask("POST", "/o", user="test:tester3", X_Object_Meta_A="b").status_code == 202
    assert shop.ask("GET", "/o", user="test:tester3").status_code == 403
    assert shop.ask("GET", "/o").headers["X-Object-Meta-A"] == "b"


@pytest.mark.parametrize("posted", [{}, {"Content_Type": "x/new"}])
def test_a_manifest_stays_one_when_it_is_posted_to(shop: Shop, posted: dict[str, str]) -> None:
    shop.put("segment")
    manifest = json.dumps([{"path": f"/{shop.container}/segment"}] * 2).encode()
    assert shop.ask("PUT", "/slo?multipart-manifest=put", manifest, Content_Type="x/slo").status_code == 201
    shop.put("dlo", b"", X_Object_Manifest=f"{shop.container}/seg", Content_Type="x/slo")
    for name, body in (("slo", BODY * 2), ("dlo", BODY)):
        assert shop.ask("POST", f"/{name}", X_Object_Meta_A="b", **posted).status_code == 202
        found = shop.ask("GET", f"/{name}")
        assert (found.content, found.headers["X-Object-Meta-A"]) == (body, "b")
        assert found.headers["Content-Type"] == posted.get("Content_Type", "x/slo")
    entries = {entry["name"]: entry for entry in shop.ask("GET", "?format=json").json()}
    assert entries["slo"]["bytes"] == len(BODY) * 2
    assert entries["slo"]["slo_etag"]


def test_a_post_keeps_no_version(shop: Shop) -> None:
    shop.put("o")
    archive = Shop(shop.cluster, f"{shop.container}-versions", shop.tokens)
    assert archive.ask("PUT", "").status_code == 201
    assert shop.ask("POST", "", X_Versions_Location=archive.container).status_code == 204
    assert shop.ask("POST", "/o", X_Object_Meta_A="b").status_code == 202
    assert archive.ask("GET", "").content == b""


def test_a_post_to_a_link_is_for_the_link(shop: Shop) -> None:
    shop.put("target", X_Object_Meta_A="target")
    shop.put("link", b"", X_Symlink_Target=f"{shop.container}/target")
    posted = requests.post(
        f"{shop.cluster.url}/v1/AUTH_test/{shop.container}/link",
        headers={"X-Auth-Token": shop.tokens["test:tester"], "X-Object-Meta-A": "link"},
        allow_redirects=False,
        timeout=60,
    )
    assert (posted.status_code, posted.headers["Location"]) == (307, f"/v1/AUTH_test/{shop.container}/target")
    assert shop.ask("GET", "/link?symlink=get").headers["X-Object-Meta-A"] == "link"
    assert shop.ask("GET", "/link").headers["X-Object-Meta-A"] == "target"


def test_a_post_s_condition_is_about_what_it_replaces(shop: Shop) -> None:
    shop.put("o", X_Object_Meta_A="before")
    assert shop.ask("POST", "/o", If_Match="0" * 32, X_Object_Meta_A="b").status_code == 412
    assert shop.ask("HEAD", "/o").headers["X-Object-Meta-A"] == "before"
    assert shop.ask("POST", "/o", If_Match=hashlib.md5(BODY).hexdigest(), X_Object_Meta_A="b").status_code == 202
    assert shop.ask("HEAD", "/o").headers["X-Object-Meta-A"] == "b"


def test_no_post_makes_a_manifest_of_what_is_none(shop: Shop) -> None:
    shop.put("o", b"[{}]")
    assert shop.ask("POST", "/o", X_Static_Large_Object="True").status_code == 400
    assert shop.ask("GET", "/o").content == b"[{}]"


def test_the_bytes_of_a_large_object_have_an_etag_of_their_own(shop: Shop) -> None:
    shop.put("segment")
    manifest = json.dumps([{"path": f"/{shop.container}/segment"}] * 2).encode()
    assert shop.ask("PUT", "/slo?multipart-manifest=put", manifest).status_code == 201
    for fresh in ("false", "true"):
        etag = shop.copy("slo", X_Fresh_Metadata=fresh).headers["Etag"]
        assert shop.ask("GET", "/copy", If_Match=etag).content == BODY * 2
        assert shop.ask("GET", "/copy", If_None_Match=etag).status_code == 304


def test_a_copy_s_condition_is_about_its_source(shop: Shop) -> None:
    shop.put("o")
    assert shop.copy("o", If_Match="0" * 32).status_code == 412
    assert shop.copy("o", If_Match=hashlib.md5(BODY).hexdigest()).status_code == 201
    assert shop.copy("o", If_None_Match=hashlib.md5(BODY).hexdigest()).status_code == 304
    assert shop.copy("o", If_None_Match="0" * 32).status_code == 201
