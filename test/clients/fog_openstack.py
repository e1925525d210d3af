"""fog-openstack: Ruby programs on its storage."""

from __future__ import annotations

import json
from typing import Any

from clients.harness.client import Apt, Client
from clients.harness.site import Site, anyone, same

CLIENT = Client(
    title="fog-openstack",
    sources=(Apt("ruby-fog-openstack", "/usr/share/doc/ruby-fog-openstack/copyright", ("ruby",)),),
    auths=("v2", "v3"),
    notes="""
`get_object_http_url` takes the port 80 for granted: call `create_temp_url`, as tried here. `delete_multiple_objects` of this
version calls a function that Ruby has no longer since 3.0, and so asks no store at all.
""",
    settings="""
```ruby
Fog::OpenStack::Storage.new(openstack_auth_url: "http://127.0.0.1:8080", openstack_username: "tester",
                            openstack_api_key: "testing", openstack_project_name: "test", openstack_domain_id: "default")
```
For v2: `openstack_identity_api_version: "v2.0"`, `openstack_tenant: "test"` in place of project and domain.
""",
)
PROGRAM = """
require "json"
require "fog/openstack"
options = JSON.parse(File.read("options.json"), symbolize_names: true)
store = Fog::OpenStack::Storage.new(**options)
answer = begin
%s
rescue => error
  abort "#{error.class}: #{error.message.lines.first}"
end
puts JSON.generate(answer)
"""


def fog(site: Site, code: str) -> Any:
    """Run Ruby in which `store` is the storage; return the value of its last line, if JSON can tell it."""
    options = {"openstack_auth_url": site.url, "openstack_username": site.user, "openstack_api_key": site.key}
    if site.auth == "v2":
        options |= {"openstack_tenant": site.account, "openstack_identity_api_version": "v2.0"}
    else:
        options |= {"openstack_project_name": site.account, "openstack_domain_id": "default"}
    site.file("options.json", json.dumps(options).encode())
    site.file("program.rb", (PROGRAM % code).encode())
    return json.loads(site.run("ruby", "program.rb").strip().splitlines()[-1])


@CLIENT.operation("containers")
def containers(site: Site) -> None:
    fog(site, 'store.directories.create(key: "files", public: true).key')
    same(site.eye.head("files")["x-container-read"], ".r:*", "access list")
    same(fog(site, "store.directories.map(&:key)"), ["files"], "containers")


@CLIENT.operation("upload and download")
def objects(site: Site) -> None:
    content = site.file("one", 300_000).read_bytes()
    fog(
        site,
        """file = store.directories.get("files").files.create(
             key: "dir/ünï one", body: File.open("one", "rb"), content_type: "text/x-one", metadata: {"Mood" => "fine"})
           file.key""",
    )
    same(site.eye.get("files", "dir/ünï one"), content, "content")
    head = site.eye.head("files", "dir/ünï one")
    same((head["content-type"], head["x-object-meta-mood"]), ("text/x-one", "fine"), "headers")
    fog(site, 'File.binwrite("down", store.directories.get("files").files.get("dir/ünï one").body)')
    same((site.scratch / "down").read_bytes(), content, "download")


@CLIENT.operation("list and facts")
def listing(site: Site) -> None:
    found = fog(site, 'store.directories.get("files").files.map { |f| [f.key, f.content_length, f.content_type] }')
    same(found, [["dir/ünï one", 300_000, "text/x-one"]], "files")


@CLIENT.operation("copy")
def copy(site: Site) -> None:
    fog(site, 'store.directories.get("files").files.get("dir/ünï one").copy("files", "copy").key')
    same(site.eye.get("files", "copy"), site.eye.get("files", "dir/ünï one"), "content")


@CLIENT.operation("static large object")
def large(site: Site) -> None:
    site.eye.put("segments", "one", b"one")
    site.eye.put("segments", "two", b"two")
    fog(
        site,
        """segments = %w[one two].map do |name|
             head = store.head_object("segments", name).headers
             {path: "segments/#{name}", etag: head["Etag"], size_bytes: head["Content-Length"].to_i}
           end
           store.put_static_obj_manifest("files", "large", segments).status""",
    )
    same(site.eye.get("files", "large"), b"onetwo", "content")
    fog(site, 'store.delete_static_large_object("files", "large").status')
    same((site.eye.is_there("files", "large"), site.eye.names("segments")), (False, []), "left")


@CLIENT.operation("temporary URL")
def temporary_url(site: Site) -> None:
    url = fog(
        site,
        """options[:openstack_temp_url_key] = "secret"
           store = Fog::OpenStack::Storage.new(**options)
           store.post_set_meta_temp_url_key("secret")
           store.create_temp_url("private", "one", Time.now.to_i + 600, "GET")""",
    )
    site.eye.put("private", "one", b"content")
    found = anyone("GET", url)
    same((found.status, found.body), (200, b"content"), "answer")


@CLIENT.operation("delete")
def delete(site: Site) -> None:
    fog(site, 'store.directories.get("files").files.get("copy").destroy')
    same(site.eye.names("files"), ["dir/ünï one"], "names")
    fog(
        site,
        """store.directories.get("files").files.get("dir/ünï one").destroy
           store.directories.get("files").destroy""",
    )
    same(site.eye.is_there("files"), False, "files is there")


@CLIENT.operation("delete many at once")
def delete_many(site: Site) -> None:
    site.eye.put("many", "one", b"1")
    site.eye.put("many", "two", b"2")
    fog(site, 'store.delete_multiple_objects("many", ["one", "two"]).body')
    same(site.eye.names("many"), [], "names")
