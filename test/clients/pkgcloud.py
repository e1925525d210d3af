"""pkgcloud: Node.js programs on its provider `openstack`."""

from __future__ import annotations

import json
from typing import Any

from clients.harness.client import Client, Npm
from clients.harness.site import Site, same

CLIENT = Client(
    title="pkgcloud",
    sources=(Npm("pkgcloud"),),
    auths=("v2", "v3"),
    notes="""
Call `client.auth` first: an upload or download that has to log in by itself waits for ever on a newer Node.js.
""",
    settings="""
```js
pkgcloud.storage.createClient({provider: "openstack", authUrl: "http://127.0.0.1:8080", username: "tester",
                               password: "testing", tenantName: "test", region: "RegionOne"})
```
For v3: `keystoneAuthVersion: "v3"`, `domainName: "Default"` besides.
""",
)
PROGRAM = """
const pkgcloud = require(process.argv[2]), fs = require("fs");
const given = JSON.parse(process.argv[3]);
const client = pkgcloud.storage.createClient(given.options);
const call = (name, ...args) =>
  new Promise((good, bad) => client[name](...args, (error, result) => (error ? bad(error) : good(result))));
const put = (path, options) =>
  new Promise((good, bad) =>
    fs.createReadStream(path).pipe(client.upload(options)).on("error", bad).on("success", good));
const get = (options, path) =>
  new Promise((good, bad) =>
    client.download(options).on("error", bad).pipe(fs.createWriteStream(path)).on("finish", good));
(async () => { await call("auth"); %s })().then(
  (answer) => console.log(JSON.stringify(answer === undefined ? null : answer)),
  (error) => { console.error(error.message || error); process.exit(1); });
"""


def pkgcloud(site: Site, code: str) -> Any:
    """Run JavaScript in which `call`, `put` and `get` ask the client; return what it returns."""
    options = {"provider": "openstack", "authUrl": site.url, "username": site.user, "password": site.key}
    options |= {"tenantName": site.account, "region": "RegionOne"}
    if site.auth == "v3":
        options |= {"keystoneAuthVersion": "v3", "domainName": "Default"}
    path = site.file("program.js", (PROGRAM % code).encode())
    module = f"{site.home}/node_modules/pkgcloud"
    return json.loads(site.run("node", path, module, json.dumps({"options": options})).strip().splitlines()[-1])


@CLIENT.operation("containers")
def containers(site: Site) -> None:
    pkgcloud(site, 'await call("createContainer", {name: "files", metadata: {colour: "blue"}})')
    same(site.eye.head("files")["x-container-meta-colour"], "blue", "metadata")
    names = pkgcloud(site, 'return (await call("getContainers")).map((container) => container.name)')
    same(names, site.eye.names(), "containers")


@CLIENT.operation("upload and download")
def objects(site: Site) -> None:
    content = site.file("one", 300_000).read_bytes()
    pkgcloud(site, 'await put("one", {container: "files", remote: "dir/one", contentType: "text/x-one"})')
    same(site.eye.get("files", "dir/one"), content, "content")
    pkgcloud(site, 'await get({container: "files", remote: "dir/one"}, "down")')
    same((site.scratch / "down").read_bytes(), content, "download")


@CLIENT.operation("list and facts")
def listing(site: Site) -> None:
    found = pkgcloud(site, 'return (await call("getFiles", "files")).map((file) => [file.name, file.size])')
    same(found, [["dir/one", 300_000]], "files")
    same(pkgcloud(site, 'return (await call("getFile", "files", "dir/one")).size'), 300_000, "size")


@CLIENT.operation("delete")
def delete(site: Site) -> None:
    pkgcloud(site, 'await call("removeFile", "files", "dir/one")')
    same(site.eye.is_there("files", "dir/one"), False, "dir/one is there")
    pkgcloud(site, 'await call("destroyContainer", "files")')
    same(site.eye.is_there("files"), False, "files is there")
