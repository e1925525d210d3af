"""What a client asks of the built-in identity: the bodies of Keystone's login requests, versions 2.0 and 3.

Everything that is not of the right form is a ValueError, whose text tells the client what is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from swiftlite.core.json_text import load_json


@dataclass(frozen=True)
class Named:
    """Somebody or something, by its id or by its name and domain."""

    id: str = ""
    name: str = ""
    domain: str = ""
    """Id or name of the domain; '' where the client names none."""


@dataclass(frozen=True)
class Scope:
    """What a token shall be good for: ``project`` with its name, or ``default``, ``unscoped``, ``domain``, ``system``."""

    kind: str = "default"
    project: Named = Named()


@dataclass(frozen=True)
class LoginRequest:
    """Who asks for a token, by which proofs, and what for."""

    methods: tuple[str, ...]
    user: Named = Named()
    password: str = ""
    token: str = ""
    credential: Named = Named()
    """An application credential: by its id, or by its name and the user."""
    secret: str = ""
    scope: Scope = Scope()


METHODS = ("password", "token", "application_credential")


def read_json_object(body: bytes) -> dict[str, Any]:
    """A body that must be a JSON object.

    :raises ValueError: when it is none
    """
    try:
        value = load_json(body)
        # Names are text: half of a surrogate pair is none, and could not be written down.
        body.decode("utf-8")
    except ValueError:
        raise ValueError("The body is not JSON in UTF-8.") from None
    if not isinstance(value, dict):
        raise ValueError("The body is not a JSON object.")
    return value


def read_v3(body: bytes) -> LoginRequest:
    """The body of ``POST /v3/auth/tokens``.

    :raises ValueError: when it is not of the right form
    """
    auth = _object(read_json_object(body), "auth", "the body")
    identity = _object(auth, "identity", "auth")
    methods = identity.get("methods")
    if not isinstance(methods, list) or not methods or not all(isinstance(method, str) for method in methods):
        raise ValueError("identity: methods must be a list of names.")
    unknown = [method for method in methods if method not in METHODS]
    if unknown:
        raise ValueError(f"identity: there is no method {_shown(unknown[0])}, only {', '.join(METHODS)}.")
    user, password, token, credential, secret = Named(), "", "", Named(), ""
    if "password" in methods:
        given = _object(_object(identity, "password", "identity"), "user", "password")
        user, password = _named(given, "user"), _text(given, "password", "user")
    if "token" in methods:
        token = _text(_object(identity, "token", "identity"), "id", "token")
    if "application_credential" in methods:
        given = _object(identity, "application_credential", "identity")
        credential, secret = _credential(given)
        if "user" in given:
            user = _named(_object(given, "user", "application_credential"), "user")
        if not credential.id and not (user.id or user.name):
            raise ValueError("application_credential: a name needs its user beside it.")
    return LoginRequest(tuple(dict.fromkeys(methods)), user, password, token, credential, secret, _scope(auth))


def _credential(given: dict[str, Any]) -> tuple[Named, str]:
    identity, name = _optional_text(given, "id"), _optional_text(given, "name")
    if not (identity or name):
        raise ValueError("application_credential: id or name is missing.")
    return Named(identity, name), _text(given, "secret", "application_credential")


def _scope(auth: dict[str, Any]) -> Scope:
    scope = auth.get("scope")
    if scope is None:
        return Scope()
    if scope == "unscoped":
        return Scope("unscoped")
    if not isinstance(scope, dict):
        raise ValueError("auth: scope must be an object.")
    for kind in ("project", "domain", "system", "unscoped"):
        if kind in scope:
            if kind == "project":
                return Scope(kind, _named(_object(scope, kind, "scope"), "project"))
            return Scope(kind)
    raise ValueError("scope: project, domain, system or unscoped is missing.")


def _named(given: dict[str, Any], what: str) -> Named:
    identity, name = _optional_text(given, "id"), _optional_text(given, "name")
    if not (identity or name):
        raise ValueError(f"{what}: id or name is missing.")
    domain = given.get("domain") or {}
    if not isinstance(domain, dict):
        raise ValueError(f"{what}: domain must be an object.")
    return Named(identity, name, _optional_text(domain, "id") or _optional_text(domain, "name"))


def read_v2(body: bytes) -> LoginRequest:
    """The body of ``POST /v2.0/tokens``.

    :raises ValueError: when it is not of the right form
    """
    auth = _object(read_json_object(body), "auth", "the body")
    tenant = Named(_optional_text(auth, "tenantId"), _optional_text(auth, "tenantName"))
    scope = Scope("project", tenant) if tenant.id or tenant.name else Scope()
    if "token" in auth:
        return LoginRequest(("token",), token=_text(_object(auth, "token", "auth"), "id", "token"), scope=scope)
    for word, key in (("passwordCredentials", "password"), ("RAX-KSKEY:apiKeyCredentials", "apiKey")):
        if word in auth:
            given = _object(auth, word, "auth")
            user = Named(_optional_text(given, "userId"), _optional_text(given, "username"))
            if not (user.id or user.name):
                raise ValueError(f"{word}: username is missing.")
            return LoginRequest(("password",), user, _text(given, key, word), scope=scope)
    raise ValueError("auth: passwordCredentials or token is missing.")


@dataclass(frozen=True)
class NewCredential:
    """An application credential that a user wants."""

    name: str
    description: str = ""
    secret: str = ""
    """'' to be given one."""
    roles: tuple[Named, ...] | None = None
    expires_at: str = ""
    unrestricted: bool = False


def read_new_credential(body: bytes) -> NewCredential:
    """The body of ``POST /v3/users/<id>/application_credentials``.

    :raises ValueError: when it is not of the right form
    """
    what = "application_credential"
    given = _object(read_json_object(body), what, "the body")
    unrestricted = given.get("unrestricted") or False
    if not isinstance(unrestricted, bool):
        raise ValueError(f"{what}: unrestricted must be true or false.")
    if given.get("access_rules"):
        raise ValueError(f"{what}: access_rules are not supported; leave them out.")
    roles = given.get("roles")
    if roles is not None and not (isinstance(roles, list) and all(isinstance(role, dict) for role in roles)):
        raise ValueError(f"{what}: roles must be a list of objects.")
    name = _text(given, "name", what)
    if not name or len(name) > 255:
        raise ValueError(f"{what}: name must have 1 to 255 characters.")
    return NewCredential(
        name=name,
        description=_optional_text(given, "description"),
        secret=_optional_text(given, "secret"),
        roles=tuple(_named(role, "roles") for role in roles) if roles else None,
        expires_at=_optional_text(given, "expires_at"),
        unrestricted=unrestricted,
    )


def _object(parent: dict[str, Any], name: str, what: str) -> dict[str, Any]:
    value = parent.get(name)
    if value is None:
        raise ValueError(f"{what}: {name} is missing.")
    if not isinstance(value, dict):
        raise ValueError(f"{what}: {name} must be an object.")
    return value


def _text(parent: dict[str, Any], name: str, what: str) -> str:
    value = parent.get(name)
    if value is None:
        raise ValueError(f"{what}: {name} is missing.")
    return _checked(value, name)


def _optional_text(parent: dict[str, Any], name: str) -> str:
    value = parent.get(name)
    return "" if value is None else _checked(value, name)


def _checked(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a string.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"{name} has half a surrogate pair.") from None
    return value


def _shown(text: str) -> str:
    return ascii(text[:64])
