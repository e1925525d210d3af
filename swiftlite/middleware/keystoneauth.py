"""Authorization for Keystone's users: the filter ``authtoken`` says who they are, this one what they may do.

``authtoken`` is keystonemiddleware's (``paste.filter_factory = keystonemiddleware.auth_token:filter_factory``) and must stand
to the left: it also removes what clients write into the headers believed here. The filter ``identity`` does neither; it goes
with tempauth. The rules are in core/keystone.py (formats.md 7.9).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from swiftlite.common.config import option
from swiftlite.common.log import Logger, get_logger
from swiftlite.common.pipeline import WSGIApp, factory_options
from swiftlite.common.web import Answer, HTTPNotFound, Request
from swiftlite.core.acl import clean_acl, parse_acl
from swiftlite.core.keystone import (
    Asked,
    Identity,
    PrefixRules,
    Rules,
    StoredDomain,
    decide,
    decide_anonymous,
    domain_to_keep,
    keeps_domain,
)
from swiftlite.core.names import split_path
from swiftlite.core.resellers import parse_prefixes, prefixed_option
from swiftlite.middleware.authorization import denial, shows_sync_key
from swiftlite.proxy.info import get_account_info

OPERATORS = ("admin", "swiftoperator")
STORED_DOMAIN = "X-Account-Sysmeta-Project-Domain-Id"
SHOWN_DOMAIN = "X-Account-Project-Domain-Id"
STORED_DOMAIN_KEY = "HTTP_X_ACCOUNT_SYSMETA_PROJECT_DOMAIN_ID"


def parse_roles(text: str) -> tuple[str, ...]:
    """Roles as they are compared: lower case.

    An element that is empty stays one, which nobody has: a mistyped list of service roles must not let everybody in.
    """
    return tuple(role.strip() for role in text.lower().split(",")) if text else ()


@dataclass(frozen=True)
class KeystoneAuthOptions:
    """The filter's section; a prefix may have roles of its own, as ``SERVICE_service_roles``."""

    reseller_prefix: tuple[str, ...] = option(("AUTH_",), "starts of the names of accounts", parse_prefixes)
    operator_roles: tuple[str, ...] = option(
        OPERATORS, "roles that may do all in their project's accounts", parse_roles
    )
    service_roles: tuple[str, ...] = option(
        (), "roles of which a service's token beside the user's must have one; none: no such token", parse_roles
    )
    project_reader_roles: tuple[str, ...] = option(
        (), "roles that may read all in their project's accounts", parse_roles
    )
    reseller_admin_role: str = option("ResellerAdmin", "role that may do all in any account")
    system_reader_roles: tuple[str, ...] = option((), "roles that may read any account", parse_roles)
    allow_overrides: bool = option(True, "let filters in front, such as temporary URLs, decide instead")
    default_domain_id: str = option("default", "domain whose users and projects access lists may call by their names")
    allow_names_in_acls: bool = option(True, "let access lists call users and projects by names, not by ids alone")
    is_admin: bool = option(False, "does nothing any more; to be removed")


class KeystoneAuth:
    """The filter. It decides about every request, as far as no filter in front has done so."""

    def __init__(self, app: WSGIApp, rules: Rules, allow_overrides: bool, log: Logger) -> None:
        self.app = app
        self.rules = rules
        self.allow_overrides = allow_overrides
        self.log = log

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if self.allow_overrides and environ.get("swift.authorize_override"):
            return self.app(environ, start_response)
        if (
            environ.get("HTTP_X_IDENTITY_STATUS") == "Confirmed"
            and environ.get("HTTP_X_SERVICE_IDENTITY_STATUS", "Confirmed") == "Confirmed"
        ):
            self._admit(environ, read_identity(environ))
        else:
            environ["swift.authorize"] = self.authorize_anonymous
        environ["swift.clean_acl"] = clean_acl
        if is_account_path(environ["PATH_INFO"]):
            start_response = showing_domain(start_response)
        return self.app(environ, start_response)

    def _admit(self, environ: dict[str, Any], who: Identity) -> None:
        environ["REMOTE_USER"] = (who.project_id, who.project_name)  # what filters written for OpenStack Swift expect
        environ["keystone.identity"] = as_openstack_has_it(environ, who)
        environ["swift.authorize"] = partial(self.authorize, who)
        environ.setdefault("swift.access_logging", {})["user_id"] = who.user_id or who.user_name
        if self.rules.reseller_admin_role in who.roles:
            environ["reseller_request"] = True

    def authorize(self, who: Identity, request: Request) -> Answer | None:
        """Whether a user's request may go on: the proxy's ``swift.authorize``.

        :returns: None for yes, else the answer that says no
        """
        environ = request.environ
        environ.pop("swift_owner", None)  # A copy asks twice, of its source and of its target.
        if environ["REQUEST_METHOD"] == "OPTIONS":
            return None
        asked = read_asked(request)
        if asked is None:
            return HTTPNotFound(request=request)
        self._keep_domain(environ, who, asked)
        verdict = decide(self.rules, who, asked, partial(self._stored_domain, environ))
        if verdict.is_owner:
            environ["swift_owner"] = True
        return None if verdict.is_allowed else denial(request)

    def authorize_anonymous(self, request: Request) -> Answer | None:
        """Whether a request without a valid token may go on."""
        asked = read_asked(request)
        if asked is None:
            return HTTPNotFound(request=request)
        if asked.method == "OPTIONS" or decide_anonymous(self.rules, asked):
            return None
        return denial(request)

    def _keep_domain(self, environ: dict[str, Any], who: Identity, asked: Asked) -> None:
        """Have the account server keep the domain of the account's project, so that names in lists can be judged."""
        if not asked.account or not keeps_domain(asked) or STORED_DOMAIN_KEY in environ:
            return
        stored = self._stored_domain(environ)
        change = domain_to_keep(self.rules, who, asked.account, stored)
        if change.new is not None:
            environ[STORED_DOMAIN_KEY] = change.new
        if change.is_odd:
            text = "Inconsistent project domain id of %s: %s in token, %s in account metadata"
            self.log.warning(text, asked.account, who.project_domain, stored.domain)

    def _stored_domain(self, environ: dict[str, Any]) -> StoredDomain:
        info = get_account_info(environ, self.app, "KS")
        exists = info["status"] // 100 == 2 and info.get("account_really_exists", True)
        return StoredDomain(exists, info["sysmeta"].get("project-domain-id"))


def read_asked(request: Request) -> Asked | None:
    """What a request asks for, None when its path names nothing of ours."""
    environ = request.environ
    try:
        _version, account, container, name = split_path(environ["PATH_INFO"], 1, 4, rest_with_last=True)
    except ValueError:
        return None
    return Asked(
        environ["REQUEST_METHOD"],
        account or "",
        container,
        name,
        parse_acl(getattr(request, "acl", None)),
        environ.get("HTTP_REFERER"),
        shows_sync_key(environ),
    )


def read_identity(environ: dict[str, Any]) -> Identity:
    """Whom ``authtoken`` found; its headers can come from no client, for it removes theirs."""
    get = environ.get
    knows_domains = "token" in (get("keystone.token_info") or ())
    return Identity(
        user_id=get("HTTP_X_USER_ID"),
        user_name=get("HTTP_X_USER_NAME"),
        project_id=get("HTTP_X_PROJECT_ID", get("HTTP_X_TENANT_ID")),
        project_name=get("HTTP_X_PROJECT_NAME", get("HTTP_X_TENANT_NAME")),
        roles=frozenset(_listed(get("HTTP_X_ROLES", "").lower())),
        service_roles=frozenset(_listed(get("HTTP_X_SERVICE_ROLES", "").lower())),
        user_domain=get("HTTP_X_USER_DOMAIN_ID") if knows_domains else None,
        project_domain=get("HTTP_X_PROJECT_DOMAIN_ID") if knows_domains else None,
    )


def as_openstack_has_it(environ: dict[str, Any], who: Identity) -> dict[str, Any]:
    """The identity in the form that other filters find under ``keystone.identity``."""
    get = environ.get
    info = get("keystone.token_info") or ()
    version = 2 if "access" in info else 3 if "token" in info else 0
    domains = ("HTTP_X_USER_DOMAIN_NAME", "HTTP_X_PROJECT_DOMAIN_NAME")
    user_domain, project_domain = (get(key) if version == 3 else None for key in domains)
    return {
        "user": (who.user_id, who.user_name),
        "tenant": (who.project_id, who.project_name),
        "roles": _listed(get("HTTP_X_ROLES", "")),
        "service_roles": _listed(get("HTTP_X_SERVICE_ROLES", "")),
        "user_domain": (who.user_domain, user_domain),
        "project_domain": (who.project_domain, project_domain),
        "auth_version": version,
    }


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def is_account_path(path: str) -> bool:
    """Whether the path names an account itself: only its answers tell of the project's domain."""
    segments = path.split("/", 4)
    return len(segments) == 3 or (len(segments) == 4 and not segments[3])


def showing_domain(start_response: Callable[..., Any]) -> Callable[..., Any]:
    """A start_response that lets clients see the domain kept with an account; the gatekeeper hides the stored form."""

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        kept = next((value for name, value in headers if name.lower() == STORED_DOMAIN.lower()), "")
        if kept:
            headers = [*headers, (SHOWN_DOMAIN, kept)]
        return start_response(status, headers, exc_info)

    return start


def read_rules(options: KeystoneAuthOptions, conf: dict[str, str]) -> Rules:
    """The rules that the section's options make."""
    by_prefix = {}
    for prefix in options.reseller_prefix:
        own = [
            frozenset(parse_roles(prefixed_option(conf, prefix, name)) or default)
            for name, default in (("operator_roles", OPERATORS), ("service_roles", ()), ("project_reader_roles", ()))
        ]
        by_prefix[prefix] = PrefixRules(*own)
    return Rules(
        by_prefix,
        options.reseller_admin_role.lower(),
        frozenset(options.system_reader_roles) - {""},
        options.default_domain_id,
        options.allow_names_in_acls,
    )


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: KeystoneAuthOptions. Raises ConfigError."""
    conf = {**global_conf, **local_conf}
    options = factory_options(KeystoneAuthOptions, conf)
    log = get_logger(conf, "keystoneauth")
    if options.is_admin:
        log.warning("The option is_admin of keystoneauth does nothing any more; take it out of the conf file")
    rules = read_rules(options, conf)
    return lambda app: KeystoneAuth(app, rules, options.allow_overrides, log)
