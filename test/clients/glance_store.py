"""glance_store: Glance's backend `swift`, by which it keeps images in containers."""

from __future__ import annotations

import hashlib
from typing import Any

from clients.harness.client import Client, Pip
from clients.harness.site import Site, same

CLIENT = Client(
    title="glance_store",
    sources=(Pip("glance-store", also=("python-swiftclient", "python-keystoneclient", "oslo.rootwrap")),),
    auths=("v3",),
    notes="""
The library is tried, without Glance's own service and its database. Of an image of known size, 5.7.0 announces every segment
at full length and then sends less in the last one, which waits for the rest until the store gives up: let
`swift_store_large_object_chunk_size` divide the size, or be above it.
""",
    settings="""
```ini
[glance_store]
stores = swift
default_store = swift
swift_store_config_file = /etc/glance/swift-store.conf
default_swift_reference = ours
swift_store_create_container_on_put = True
```
and in `swift-store.conf`:
```ini
[ours]
user = test:tester
key = testing
auth_address = http://127.0.0.1:8080/v3
user_domain_name = Default
project_domain_name = Default
```
""",
)
REFERENCES = """
[ours]
user = {user}
key = {key}
auth_address = {auth_url}
user_domain_name = Default
project_domain_name = Default
"""
MEGABYTE = 1000 * 1024
"""What the library calls one."""


def configure(site: Site) -> tuple[Any, Any]:
    """Make the stores as Glance does when it starts, of large images in pieces of a megabyte; return module and conf."""
    import glance_store
    from oslo_config import cfg

    path = site.scratch / "swift-store.conf"
    user = f"{site.account}:{site.user}"
    path.write_text(REFERENCES.format(user=user, key=site.key, auth_url=site.auth_url))
    conf = cfg.CONF
    conf([], default_config_files=[])
    glance_store.register_opts(conf)
    wanted = {"stores": ["swift"], "default_store": "swift", "swift_store_config_file": str(path)}
    wanted |= {"default_swift_reference": "ours", "swift_store_create_container_on_put": True}
    wanted |= {"swift_store_large_object_size": 2, "swift_store_large_object_chunk_size": 1}
    for name, value in wanted.items():
        conf.set_override(name, value, group="glance_store")
    glance_store.create_stores(conf)
    glance_store.verify_default_store()
    return glance_store, conf


def image(site: Site, store: Any, conf: Any, name: str, size: int, told: bool = True) -> tuple[str, bytes]:
    """Add an image, whose size is `told` or not; return its location and what it is of."""
    content = site.file(name, size).read_bytes()
    with open(site.scratch / name, "rb") as file:
        added = store.add_to_backend_with_multihash(conf, name, file, size if told else 0, "sha256")
    location, *facts = added
    wanted = [size, hashlib.md5(content).hexdigest(), hashlib.sha256(content).hexdigest()]
    same(facts[:3], wanted, "size and digests")
    return location, content


@CLIENT.operation("add, get and delete an image")
def small(site: Site) -> None:
    store, conf = configure(site)
    location, content = image(site, store, conf, "small-image", 300_000)
    same(site.eye.get("glance", "small-image"), content, "content")
    chunks, size = store.get_from_backend(location)
    same((size, b"".join(chunks)), (300_000, content), "got")
    same(store.get_size_from_backend(location), 300_000, "size")
    store.delete_from_backend(location)
    same(site.eye.is_there("glance", "small-image"), False, "it is there")


@CLIENT.operation("large images in segments")
def large(site: Site) -> None:
    store, conf = configure(site)
    for name, size, told in (("large-image", 3 * MEGABYTE, True), ("endless-image", 3 * MEGABYTE + 1, False)):
        location, content = image(site, store, conf, name, size, told)
        assert "x-object-manifest" in site.eye.head("glance", name), f"{name} is not in segments"
        same(site.eye.get("glance", name), content, "content")
        same(b"".join(store.get_from_backend(location)[0]), content, "got")
        store.delete_from_backend(location)
        same(site.eye.names("glance"), [], "left")


@CLIENT.operation("what is not there")
def absent(site: Site) -> None:
    store, conf = configure(site)
    location, _ = image(site, store, conf, "gone", 10)
    store.delete_from_backend(location)
    try:
        store.get_from_backend(location)
    except store.NotFound:
        return
    raise AssertionError("no error")
