"""What the built-in identity answers: Keystone's documents, versions 2.0 and 3, as JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from swiftlite.core.signed_token import Claims, derive_id

UPDATED = "2020-01-01T00:00:00Z"
VERSIONS = {"v3": "v3.14", "v2.0": "v2.0"}
"""Last segment of each version's URL, and its name."""
TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Request Entity Too Large",
    429: "Too Many Requests",
    503: "Service Unavailable",
}


@dataclass(frozen=True)
class Holder:
    """Whose a token is, as documents name him and his project."""

    user_id: str
    user_name: str
    project_id: str = ""
    project_name: str = ""
    domain_id: str = "default"
    domain_name: str = "Default"
    roles: tuple[str, ...] = ()
    credential: tuple[str, str, bool] | None = None
    """Id and name of the application credential behind the token, and whether it is restricted."""

    @property
    def domain(self) -> dict[str, str]:
        """The one domain."""
        return {"id": self.domain_id, "name": self.domain_name}


@dataclass(frozen=True)
class Endpoint:
    """A service of the catalog."""

    type: str
    name: str
    url: str
    region: str


def error(status: int, message: str) -> dict[str, Any]:
    """The body of an answer that says no."""
    return {"error": {"code": status, "message": message, "title": TITLES[status]}}


def when(seconds: int, fraction: str = ".000000") -> str:
    """A time as version 3 has it: ``2026-01-31T23:59:59.000000Z``."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"


def parse_when(text: str) -> int:
    """Seconds since the epoch of a time in UTC, with or without a fraction or a Z.

    :raises ValueError: when it is none
    """
    parsed = datetime.fromisoformat(text.removesuffix("Z"))
    return int(parsed.replace(tzinfo=parsed.tzinfo or timezone.utc).timestamp())


def version(base: str, word: str) -> dict[str, Any]:
    """What is told of one version of the API.

    :param base: URL below which the versions are
    :param word: ``v3`` or ``v2.0``
    """
    media = "v3" if word == "v3" else "v2.0"
    return {
        "id": VERSIONS[word],
        "status": "stable" if word == "v3" else "deprecated",
        "updated": UPDATED,
        "links": [{"rel": "self", "href": f"{base}/{word}/"}],
        "media-types": [
            {"base": "application/json", "type": f"application/vnd.openstack.identity-{media}+json"},
        ],
    }


def versions(base: str) -> dict[str, Any]:
    """The document at the root."""
    return {"versions": {"values": [version(base, word) for word in VERSIONS]}}


def token_v3(claims: Claims, holder: Holder, catalog: Sequence[Endpoint] | None) -> dict[str, Any]:
    """What a token is worth, as version 3 answers logins and validations.

    :param catalog: None to leave it out
    """
    token: dict[str, Any] = {
        "methods": list(claims.methods),
        "user": {
            "domain": holder.domain,
            "id": holder.user_id,
            "name": holder.user_name,
            "password_expires_at": None,
        },
        "audit_ids": list(dict.fromkeys([claims.audit, claims.parent])),
        "expires_at": when(claims.expires),
        "issued_at": when(claims.issued),
    }
    if holder.project_id:
        token["project"] = {"domain": holder.domain, "id": holder.project_id, "name": holder.project_name}
        token["is_domain"] = False
        token["roles"] = [role(name) for name in holder.roles]
        if catalog is not None:
            token["catalog"] = catalog_v3(catalog)
    if holder.credential is not None:
        identity, name, restricted = holder.credential
        token["application_credential"] = {"id": identity, "name": name, "restricted": restricted}
    return {"token": token}


def role(name: str) -> dict[str, Any]:
    """A role, as documents list it."""
    return {"id": derive_id("role", name), "name": name}


def catalog_v3(endpoints: Sequence[Endpoint]) -> list[dict[str, Any]]:
    """The catalog of version 3."""
    return [
        {
            "id": derive_id("service", endpoint.type),
            "type": endpoint.type,
            "name": endpoint.name,
            "endpoints": [
                {
                    "id": derive_id("endpoint", f"{endpoint.type} {interface}"),
                    "interface": interface,
                    "region": endpoint.region,
                    "region_id": endpoint.region,
                    "url": endpoint.url,
                }
                for interface in ("public", "internal", "admin")
            ],
        }
        for endpoint in endpoints
    ]


def access_v2(token: str, claims: Claims, holder: Holder, catalog: Sequence[Endpoint]) -> dict[str, Any]:
    """What a token is worth, as version 2.0 answers logins."""
    shown: dict[str, Any] = {
        "id": token,
        "expires": when(claims.expires, ""),
        "issued_at": when(claims.issued),
        "audit_ids": list(dict.fromkeys([claims.audit, claims.parent])),
    }
    if holder.project_id:
        shown["tenant"] = tenant(holder.project_id, holder.project_name)
    roles = list(holder.roles) if holder.project_id else []
    user = {
        "id": holder.user_id,
        "name": holder.user_name,
        "username": holder.user_name,
        "roles": [{"name": name} for name in roles],
        "roles_links": [],
    }
    services = [
        {
            "type": endpoint.type,
            "name": endpoint.name,
            "endpoints_links": [],
            "endpoints": [
                {
                    "id": derive_id("endpoint", endpoint.type),
                    "region": endpoint.region,
                    "publicURL": endpoint.url,
                    "internalURL": endpoint.url,
                    "adminURL": endpoint.url,
                }
            ],
        }
        for endpoint in catalog
    ]
    metadata = {"is_admin": 0, "roles": [derive_id("role", name) for name in roles]}
    return {"access": {"token": shown, "user": user, "serviceCatalog": services, "metadata": metadata}}


def tenant(identity: str, name: str) -> dict[str, Any]:
    """A project as version 2.0 has it."""
    return {"id": identity, "name": name, "description": "", "enabled": True}


def project(identity: str, name: str, domain: str, base: str) -> dict[str, Any]:
    """A project as version 3 has it.

    :param domain: id of its domain
    :param base: URL of version 3
    """
    return {
        "id": identity,
        "name": name,
        "description": "",
        "enabled": True,
        "is_domain": False,
        "domain_id": domain,
        "parent_id": domain,
        "tags": [],
        "options": {},
        "links": {"self": f"{base}/projects/{identity}"},
    }


def user(identity: str, name: str, home: str, domain: str, base: str) -> dict[str, Any]:
    """A user as version 3 has it.

    :param home: id of his default project
    :param domain: id of his domain
    :param base: URL of version 3
    """
    return {
        "id": identity,
        "name": name,
        "enabled": True,
        "domain_id": domain,
        "default_project_id": home,
        "password_expires_at": None,
        "options": {},
        "links": {"self": f"{base}/users/{identity}"},
    }


def collection(name: str, items: list[Any], url: str) -> dict[str, Any]:
    """A list of version 3, whole.

    :param name: of the list
    :param url: of the request
    """
    return {name: items, "links": {"self": url, "previous": None, "next": None}}
