"""django-storage-swift: Django's file storage in a container."""

from __future__ import annotations

from typing import Any

from clients.harness.client import Client, Pip
from clients.harness.site import Site, anyone, same

CLIENT = Client(
    title="django-storage-swift",
    sources=(Pip("django-storage-swift", also=("django", "python-keystoneclient")),),
    auths=("v1", "v2", "v3"),
    settings="""
```python
STORAGES = {"default": {"BACKEND": "swift.storage.SwiftStorage"}, ...}
SWIFT_AUTH_URL = "http://127.0.0.1:8080/auth/v1.0"
SWIFT_USERNAME, SWIFT_KEY = "test:tester", "testing"
SWIFT_CONTAINER_NAME = "media"
SWIFT_AUTO_CREATE_CONTAINER = True
```
For v3: `SWIFT_AUTH_VERSION = "3"`, `SWIFT_PROJECT_NAME = "test"`, `SWIFT_USER_DOMAIN_NAME = "Default"`,
`SWIFT_PROJECT_DOMAIN_NAME = "Default"`.
""",
)


def storage(site: Site, **more: Any) -> Any:
    """The storage, its settings being those of the module's text."""
    from django.conf import settings

    if not settings.configured:
        settings.configure(USE_TZ=True)
    from swift.storage import SwiftStorage

    options = {"auth_version": site.auth[1], "api_auth_url": site.auth_url, "api_key": site.key}
    options |= {"api_username": f"{site.account}:{site.user}" if site.auth == "v1" else site.user}
    if site.auth != "v1":
        options |= {"tenant_name": site.account, "user_domain_name": "Default", "project_domain_name": "Default"}
    return SwiftStorage(**options, container_name="media", auto_create_container=True, **more)


@CLIENT.operation("save and open")
def save(site: Site) -> None:
    from django.core.files.base import ContentFile

    store = storage(site)
    same(store.save("dir/one.txt", ContentFile(b"content")), "dir/one.txt", "name")
    same(site.eye.get("media", "dir/one.txt"), b"content", "content")
    same(site.eye.head("media", "dir/one.txt")["content-type"], "text/plain", "Content-Type")
    with store.open("dir/one.txt") as file:
        same(file.read(), b"content", "read")


@CLIENT.operation("facts")
def facts(site: Site) -> None:
    store = storage(site)
    same((store.exists("dir/one.txt"), store.exists("none")), (True, False), "exists")
    same(store.size("dir/one.txt"), 7, "size")
    assert store.modified_time("dir/one.txt")
    same(store.listdir("dir/"), ([], ["one.txt"]), "listdir")


@CLIENT.operation("a name that is taken")
def taken(site: Site) -> None:
    from django.core.files.base import ContentFile

    name = storage(site).save("dir/one.txt", ContentFile(b"other"))
    assert name != "dir/one.txt", "the first file was overwritten"
    same(site.eye.get("media", name), b"other", "content")


@CLIENT.operation("temporary URL")
def temporary_url(site: Site) -> None:
    store = storage(site, use_temp_urls=True, temp_url_key="secret")
    site.eye.ask("POST", "", {"X-Account-Meta-Temp-Url-Key": "secret"})
    found = anyone("GET", store.url("dir/one.txt"))
    same((found.status, found.body), (200, b"content"), "answer")


@CLIENT.operation("public URL")
def public_url(site: Site) -> None:
    site.eye.ask("POST", "/media", {"X-Container-Read": ".r:*"})
    same(anyone("GET", storage(site).url("dir/one.txt")).body, b"content", "answer")


@CLIENT.operation("delete")
def delete(site: Site) -> None:
    storage(site).delete("dir/one.txt")
    same(site.eye.is_there("media", "dir/one.txt"), False, "it is there")
