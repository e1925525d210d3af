"""Filters in concert that OpenStack Swift has not, or not beside each other: every way to write into an account that is
read only, tokens of the built-in identity before lists and pages, metadata in listings, container sync and quotas.

What both have is in filter_cases/together.py.
"""

from __future__ import annotations

import http.client
import io
import json
import tarfile
import time
import uuid
from collections.abc import Iterator

import pytest
import requests
from keystoneauth1 import session
from keystoneauth1.identity import v3

from functional.cluster import Cluster
from functional.filter_cases.settings import FILTERS
from swiftlite.cli import layout
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core.signature import container_sync_signature, form_signature, temp_url_signature
from swiftlite.ring.ring import Ring

KEY, REALM_KEY, SYNC_KEY = "signed", "realm", "sync"
LATER = 4102444800
PIPELINE = layout.PIPELINE.replace(" cache ", " name_check cache ").replace(" copy ", " read_only copy ")
SETTINGS = {
    "proxy": {
        "pipeline:main": {"pipeline": PIPELINE},
        "app:proxy-server": {"recheck_container_existence": "0", "recheck_account_existence": "0"},
        "filter:name_check": {"use": "egg:swiftlite#name_check"},
        "filter:read_only": FILTERS["read_only"],
    }
}
LISTED = "together-read-only"
FROZEN = f"AUTH_test2/{LISTED}"


class Store:
    """A cluster whose account AUTH_test2 is read only, but for what was put there before."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.tokens = {
            "": "",
            **{user: cluster.token(user) for user in ("test:tester", "test:tester3", "test2:tester2")},
        }

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        user: str = "test:tester",
        token: str | None = None,
        **more: str,
    ) -> requests.Response:
        """Ask for ``/v1/<path>``."""
        headers = {"X-Auth-Token": self.tokens[user] if token is None else token}
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        url = f"{self.cluster.url}/v1/{path}"
        return requests.request(method, url, data=body, headers=headers, timeout=60, allow_redirects=False)

    def container(self, **headers: str) -> str:
        """Make a container of tester's; return ``account/name``."""
        path = f"AUTH_test/{uuid.uuid4().hex}"
        assert self.ask("PUT", path, **headers).status_code == 201
        return path

    def mark(self, account: str, value: str) -> None:
        """Say of an account whether it is read only, as an operator does."""
        etc = self.cluster.layout.etc
        ring = Ring(etc, "account", hash_path=SwiftConf.load(str(etc)).hash_path)
        partition, nodes = ring.get_nodes(account)
        headers = {"X-Timestamp": f"{time.time():.5f}", "X-Account-Sysmeta-Read-Only": value, "Content-Length": "0"}
        for node in nodes:
            connection = http.client.HTTPConnection(*node.address, timeout=60)
            connection.request("PUT", f"/{node.device}/{partition}/{account}", headers=headers)
            assert connection.getresponse().status in (201, 202)
            connection.close()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    cluster = Cluster(tmp_path_factory.mktemp("together"), settings=SETTINGS)
    realms = f"[here]\nkey = {REALM_KEY}\ncluster_this = {cluster.url}/v1/\n"
    (cluster.layout.etc / "container-sync-realms.conf").write_text(realms)
    try:
        made = Store(cluster.start())
        mine = {"user": "test2:tester2"}
        headers = {
            "X_Container_Meta_Temp_URL_Key": KEY,
            "X_Container_Write": "test:tester",
            "X_Versions_Enabled": "true",
        }
        assert made.ask("PUT", FROZEN, **mine, **headers, X_Container_Sync_Key=SYNC_KEY).status_code == 201  # type: ignore[arg-type]
        assert made.ask("PUT", f"{FROZEN}/o", b"kept", **mine).status_code == 201  # type: ignore[arg-type]
        manifest = json.dumps([{"path": f"/{LISTED}/o"}]).encode()
        assert made.ask("PUT", f"{FROZEN}/slo?multipart-manifest=put", manifest, **mine).status_code == 201  # type: ignore[arg-type]
        made.mark("AUTH_test2", "true")
        yield made
    finally:
        cluster.remove()


def archive(*names: str) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 1
            tar.addfile(info, io.BytesIO(b"x"))
    return made.getvalue()


def signed(path: str, method: str) -> str:
    """A temporary URL, without its host and version."""
    signature = temp_url_signature("sha256", KEY, method, LATER, f"/v1/{path}", None)
    return f"{path}?temp_url_sig={signature}&temp_url_expires={LATER}"


def form(path: str, content: str = "x", name: str = "f") -> tuple[bytes, str]:
    """A form that is signed for a path: its body and its type."""
    fields = {"redirect": "", "max_file_size": "100", "max_file_count": "1", "expires": str(LATER)}
    signature = form_signature("sha256", KEY, f"/v1/{path}", fields.values())
    parts = [f'--b\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()]
    parts.append(f'--b\r\nContent-Disposition: form-data; name="signature"\r\n\r\n{signature}\r\n')
    parts.append(f'--b\r\nContent-Disposition: form-data; name="f"; filename="{name}"\r\n\r\n{content}\r\n--b--\r\n')
    return "".join(parts).encode(), "multipart/form-data; boundary=b"


WAYS = {
    "PUT": ("PUT", f"{FROZEN}/o", {}),
    "POST": ("POST", f"{FROZEN}/o", {}),
    "DELETE": ("DELETE", f"{FROZEN}/o", {}),
    "a version": ("DELETE", f"{FROZEN}/o?version-id=null", {}),
    "container": ("POST", FROZEN, {}),
    "new container": ("PUT", "AUTH_test2/new", {}),
    "account": ("POST", "AUTH_test2", {}),
    "copy in": ("PUT", f"{FROZEN}/new", {"X_Copy_From": f"{LISTED}/o"}),
    "copy": ("COPY", f"{FROZEN}/o", {"Destination": f"{LISTED}/new"}),
    "link": ("PUT", f"{FROZEN}/new", {"X_Symlink_Target": f"{LISTED}/o"}),
    "manifest": ("PUT", f"{FROZEN}/new?multipart-manifest=put", {}),
    "segments": ("DELETE", f"{FROZEN}/slo?multipart-manifest=delete", {}),
    "signed PUT": ("PUT", signed(f"{FROZEN}/new", "PUT"), {"X_Auth_Token": ""}),
    "signed POST": ("POST", signed(f"{FROZEN}/o", "POST"), {"X_Auth_Token": ""}),
    "signed DELETE": ("DELETE", signed(f"{FROZEN}/o", "DELETE"), {"X_Auth_Token": ""}),
}


@pytest.mark.parametrize("way", WAYS)
def test_nothing_writes_into_an_account_that_is_read_only(store: Store, way: str) -> None:
    method, path, headers = WAYS[way]
    answer = store.ask(method, path, b"[]" if method == "PUT" else b"", user="test2:tester2", **headers)
    assert (answer.status_code, answer.text) == (405, "Writes are disabled for this account.")


def test_what_others_do_on_a_clients_behalf_writes_nothing_either(store: Store) -> None:
    mine = "test2:tester2"
    told = store.ask("PUT", f"{FROZEN}?extract-archive=tar", archive("a"), mine, Accept="application/json").json()
    assert told["Number Files Created"] == 0
    assert [status for _, status in told["Errors"]] == ["405 Method Not Allowed"]
    names = f"{LISTED}/o\n".encode()
    told = store.ask(
        "POST", "AUTH_test2?bulk-delete", names, mine, Accept="application/json", Content_Type="text/plain"
    )
    assert (told.json()["Number Deleted"], told.json()["Errors"][0][1]) == (0, "405 Method Not Allowed")
    body, kind = form(f"{FROZEN}/", "content")
    assert store.ask("POST", f"{FROZEN}/", body, "", Content_Type=kind).status_code == 405
    assert store.ask("PUT", f"{FROZEN}/x", b"x", "test:tester").status_code == 405
    source = store.container()
    assert store.ask("PUT", f"{source}/o", b"x").status_code == 201
    there = {"Destination": f"{LISTED}/x", "Destination_Account": "AUTH_test2"}
    assert store.ask("COPY", f"{source}/o", **there).status_code == 405  # type: ignore[arg-type]
    assert store.ask("PUT", f"{FROZEN}/x", b"x", "", **sync_headers("PUT", f"{FROZEN}/x")).status_code == 405
    listed = store.ask("GET", f"{FROZEN}?versions&format=json", user=mine).json()
    assert [(entry["name"], entry["is_latest"]) for entry in listed] == [("o", True), ("slo", True)]
    assert store.ask("GET", f"{FROZEN}/slo", user=mine).content == b"kept"


def sync_headers(method: str, path: str) -> dict[str, str]:
    """What container sync of another cluster sends with a change."""
    stamp, nonce = f"{time.time():.5f}", uuid.uuid4().hex
    signature = container_sync_signature(method, f"/v1/{path}", stamp, nonce, REALM_KEY, SYNC_KEY)
    return {"X_Container_Sync_Auth": f"here {nonce} {signature}", "X_Timestamp": stamp}


def test_container_sync_keeps_to_quotas(store: Store) -> None:
    path = store.container(X_Container_Sync_Key=SYNC_KEY, X_Container_Meta_Quota_Bytes="4")
    for body, status in ((b"12345", 413), (b"1234", 201)):
        answer = store.ask("PUT", f"{path}/o", body, "", **sync_headers("PUT", f"{path}/o"))  # type: ignore[arg-type]
        assert answer.status_code == status
    wrong = sync_headers("PUT", f"{path}/other")
    assert store.ask("PUT", f"{path}/o", b"1", "", **wrong).status_code == 401  # type: ignore[arg-type]
    for query in ("extract-archive=tar", "bulk-delete", "multipart-manifest=put", "multipart-manifest=delete"):
        method = "PUT" if "put" in query or "archive" in query else "DELETE"
        headers = sync_headers(method, f"{path}/o")
        answer = store.ask(method, f"{path}/o?{query}", archive("a"), "", **headers)  # type: ignore[arg-type]
        assert answer.status_code in (401, 403) or b"401 Unauthorized" in answer.content
    assert [entry["name"] for entry in store.ask("GET", f"{path}?format=json").json()] == ["o"]
    assert store.ask("GET", f"{path}/o").content == b"1234"


@pytest.fixture(scope="module")
def identity(store: Store) -> dict[str, str]:
    """Tokens of the built-in identity, by user."""
    found = {}
    users = (
        ("tester", "testing", "test"),
        ("tester3", "testing3", "test"),
        ("tester2", "testing2", "test2"),
        ("admin", "admin", "admin"),
    )
    for name, password, project in users:
        auth = v3.Password(
            f"{store.cluster.url}/v3", username=name, password=password, project_name=project,
            user_domain_name="Default", project_domain_name="Default",
        )  # fmt: skip
        found[name] = session.Session(auth).get_token()
    return found


@pytest.mark.parametrize(
    ("acl", "readers"),
    [
        ("", set()),
        ("test", {"tester3"}),
        ("test:tester3", {"tester3"}),
        ("test2", {"tester2"}),
        ("test2:tester2,test:tester3", {"tester2", "tester3"}),
        ("AUTH_test2", {"tester2"}),
        (".r:*", {"tester2", "tester3"}),
        (".r:-*", set()),
    ],
)
def test_identitys_tokens_before_container_lists(
    store: Store, identity: dict[str, str], acl: str, readers: set[str]
) -> None:
    path = store.container(X_Container_Read=acl, X_Container_Write=acl.replace(".r:*", "").replace(".r:-*", ""))
    assert store.ask("PUT", f"{path}/o", b"x", token=identity["tester"]).status_code == 201
    allowed = {who for who in identity if store.ask("GET", f"{path}/o", token=identity[who]).status_code == 200}
    assert allowed == readers | {"tester", "admin"}
    if not acl.startswith("."):
        written = {who for who in identity if store.ask("PUT", f"{path}/{who}", b"x", token=identity[who]).ok}
        assert written == allowed
    names = "".join(f"{path.partition('/')[2]}/{who}\n" for who in ("o", "missing")).encode()
    for who in identity.keys() - allowed:
        answer = store.ask("POST", "AUTH_test?bulk-delete", names, token=identity[who], Content_Type="text/plain")
        assert "Number Deleted: 0" in answer.text
        assert store.ask("GET", f"{path}/o", token=identity[who], X_Web_Mode="true").status_code == 403


@pytest.mark.parametrize(
    ("level", "allowed"),
    [("read-only", {"GET": 200, "PUT": 403, "POST": 403}), ("read-write", {"GET": 200, "PUT": 201, "POST": 403}),
     ("admin", {"GET": 200, "PUT": 201, "POST": 204})],
)  # fmt: skip
def test_identitys_tokens_before_account_lists(
    store: Store, identity: dict[str, str], level: str, allowed: dict[str, int]
) -> None:
    path = store.container()
    assert store.ask("PUT", f"{path}/o", b"x").status_code == 201
    access = json.dumps({level: ["test2:tester2"]})
    assert store.ask("POST", "AUTH_test", token=identity["tester"], X_Account_Access_Control=access).status_code == 204
    try:
        other = identity["tester2"]
        assert store.ask("GET", f"{path}/o", token=other).status_code == allowed["GET"]
        assert store.ask("PUT", f"{path}/new", b"x", token=other).status_code == allowed["PUT"]
        assert store.ask("POST", "AUTH_test", token=other, X_Account_Meta_A="b").status_code == allowed["POST"]
        assert store.ask("GET", f"{path}/o", token=identity["tester3"]).status_code == 403
        shown = store.ask("HEAD", "AUTH_test", token=other).headers
        assert ("X-Account-Access-Control" in shown) is (level == "admin")
    finally:
        assert store.ask("POST", "AUTH_test", X_Account_Access_Control="").status_code == 204


def test_a_service_token_adds_its_groups(store: Store, identity: dict[str, str]) -> None:
    path = store.container(X_Container_Read="test2")
    assert store.ask("PUT", f"{path}/o", b"x").status_code == 201
    for service, status in (("", 403), (identity["tester2"], 200), ("wrong", 403), (identity["tester2"][:-2], 403)):
        answer = store.ask("GET", f"{path}/o", token=identity["tester3"], X_Service_Token=service)
        assert answer.status_code == status
    assert store.ask("GET", f"{path}/o", token="", X_Service_Token=identity["tester2"]).status_code == 401


def test_a_bad_token_beside_a_good_signature(store: Store) -> None:
    path = store.container(X_Container_Meta_Temp_URL_Key=KEY)
    assert store.ask("PUT", f"{path}/o", b"x").status_code == 201
    for token in ("", "wrong", "AUTH_tkwrong", "gAAAAwrong"):
        assert store.ask("GET", signed(f"{path}/o", "GET"), token=token).content == b"x"
        assert store.ask("GET", signed(f"{path}/o", "PUT"), token=token).status_code == 401


def test_metadata_in_listings_is_for_who_may_read_the_objects(store: Store, identity: dict[str, str]) -> None:
    site = {"X_Container_Meta_Web_Listings": "true", "X_Container_Meta_Temp_URL_Key": KEY}
    path = store.container(X_Container_Read=".r:*,.rlistings", **site)
    hidden = store.container()
    assert store.ask("PUT", f"{hidden}/o", b"x", X_Object_Meta_Color="secret").status_code == 201
    link = {"X_Symlink_Target": f"{hidden.partition('/')[2]}/o", "X_Object_Meta_Color": "of-the-link"}
    assert store.ask("PUT", f"{path}/link", **link).status_code == 201  # type: ignore[arg-type]
    assert store.ask("PUT", f"{path}/o", b"x", X_Object_Meta_Color="red").status_code == 201
    query = "?format=json&include=metadata"
    for token in ("", identity["tester2"], identity["tester3"]):
        answer = store.ask("GET", f"{path}{query}", token=token, X_Web_Mode="false")
        assert "secret" not in answer.text
        assert store.ask("GET", f"{hidden}{query}", token=token).status_code in (401, 403)
    told = {entry["name"]: entry["metadata"] for entry in store.ask("GET", f"{path}{query}").json()}
    assert told["o"] == {"color": "red"}
    signature = temp_url_signature("sha256", KEY, "GET", LATER, f"prefix:/v1/{path}/")
    query += f"&temp_url_sig={signature}&temp_url_expires={LATER}&temp_url_prefix="
    page = store.ask("GET", f"{path}/{query}", token="")
    assert page.status_code == 200
    assert page.text.startswith("<!DOCTYPE html>")  # only what was signed for counts
    assert "of-the-link" not in page.text


@pytest.mark.parametrize("bad", ["a%3Cb", "a'b", "..%2Fx"])
def test_name_check_sees_the_clients_path_alone(store: Store, bad: str) -> None:
    """As OpenStack Swift's does: names that copies, archives and forms make are not its business."""
    path = store.container(X_Container_Meta_Temp_URL_Key=KEY)
    assert store.ask("PUT", f"{path}/o", b"x").status_code == 201
    if bad != "..%2Fx":
        assert store.ask("PUT", f"{path}/{bad}", b"x").status_code == 400
    answer = store.ask("COPY", f"{path}/o", Destination=f"{path.partition('/')[2]}/{bad}")
    assert answer.status_code == 201
