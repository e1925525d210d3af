"""python-openstackclient: the object store's commands of the program `openstack`."""

from __future__ import annotations

import json
from typing import Any

from clients.harness.client import Client, Pip
from clients.harness.site import Site, same

CLIENT = Client(
    title="python-openstackclient",
    sources=(Pip("python-openstackclient"),),
    auths=("v3",),
    settings="""
```
openstack --os-auth-url http://127.0.0.1:8080/v3 --os-username tester --os-password testing --os-project-name test \\
    --os-user-domain-name Default --os-project-domain-name Default container list
```
or the same as variables, `OS_AUTH_URL` and so on.
""",
)


def openstack(site: Site, *arguments: object, fails: bool = False) -> str:
    """Run the command; it takes its user from the environment."""
    return site.run("openstack", *arguments, env=site.environment, fails=fails)


def asked(site: Site, *arguments: object) -> Any:
    """Run a command that has something to show; return that."""
    return json.loads(openstack(site, *arguments, "-f", "json"))


@CLIENT.operation("log in, object store in the catalog")
def login(site: Site) -> None:
    found = asked(site, "catalog", "show", "object-store")
    assert site.storage_url in json.dumps(found), f"the catalog has no {site.storage_url}: {found}"
    assert asked(site, "token", "issue")["id"]


@CLIENT.operation("containers")
def containers(site: Site) -> None:
    same([one["container"] for one in asked(site, "container", "create", "files", "other")], ["files", "other"], "made")
    same([one["Name"] for one in asked(site, "container", "list")], ["files", "other"], "list")
    openstack(site, "container", "set", "--property", "Colour=blue", "files")
    same(site.eye.head("files")["x-container-meta-colour"], "blue", "property")
    same(asked(site, "container", "show", "files")["properties"], {"Colour": "blue"}, "properties")
    openstack(site, "container", "unset", "--property", "Colour", "files")
    assert "x-container-meta-colour" not in site.eye.head("files"), "the property is there"
    openstack(site, "container", "delete", "other")
    same(site.eye.names(), ["files"], "containers")


@CLIENT.operation("upload, list and download")
def objects(site: Site) -> None:
    content = site.file("one", 300_000).read_bytes()
    openstack(site, "object", "create", "files", "one", "--name", "dir/ünï one")
    openstack(site, "object", "create", "files", "one")
    same(site.eye.get("files", "dir/ünï one"), content, "content")
    listed = asked(site, "object", "list", "files", "--long")
    same([(one["Name"], one["Bytes"]) for one in listed], [("dir/ünï one", 300_000), ("one", 300_000)], "list")
    same([one["Name"] for one in asked(site, "object", "list", "files", "--prefix", "dir/")], ["dir/ünï one"], "prefix")
    openstack(site, "object", "save", "files", "one", "--file", "down")
    same((site.scratch / "down").read_bytes(), content, "download")


@CLIENT.operation("object properties")
def properties(site: Site) -> None:
    openstack(site, "object", "set", "--property", "Mood=fine", "files", "one")
    same(site.eye.head("files", "one")["x-object-meta-mood"], "fine", "property")
    shown = asked(site, "object", "show", "files", "one")
    same((shown["content-length"], shown["properties"]), ("300000", {"Mood": "fine"}), "shown")


@CLIENT.operation("account")
def account(site: Site) -> None:
    openstack(site, "object", "store", "account", "set", "--property", "Owner=me")
    same(site.eye.ask("HEAD", "").headers["x-account-meta-owner"], "me", "property")
    shown = asked(site, "object", "store", "account", "show")
    same((shown["Account"], shown["Containers"], shown["Objects"]), ("AUTH_test", "1", "2"), "shown")


@CLIENT.operation("delete, a container with all in it")
def delete(site: Site) -> None:
    openstack(site, "object", "delete", "files", "one")
    same(site.eye.names("files"), ["dir/ünï one"], "names")
    openstack(site, "container", "delete", "files", fails=True)
    openstack(site, "container", "delete", "--recursive", "files")
    same(site.eye.is_there("files"), False, "files is there")
