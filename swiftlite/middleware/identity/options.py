"""The options of the filter identity."""

from __future__ import annotations

from dataclasses import dataclass

from swiftlite.common.config import option


@dataclass(frozen=True)
class IdentityOptions:
    """The filter's section."""

    users_from: str = option("filter:tempauth", "section of this conf file that has the users, spelled as tempauth's")
    v1: bool = option(True, "answer logins of version 1.0 below tempauth's auth_prefix, too, with a token of our own")
    token_life: int = option(86400, "seconds that a token is valid", least=1)
    signing_key: str = option(
        "",
        "secret that tokens are signed with, the same at every proxy; none: it is derived from swift.conf's hash secret",
    )
    signing_key_old: tuple[str, ...] = option(
        (), "earlier signing keys, comma-separated, whose tokens are still good until they expire"
    )
    public_url: str = option("", "scheme and host that clients reach the proxies at; none: as the client came")
    region: str = option("RegionOne", "region of the catalog's endpoints")
    domain_id: str = option("default", "id of the one domain that users and projects are in")
    domain_name: str = option("Default", "name of that domain")
    user_roles: tuple[str, ...] = option(("member",), "roles of every user in its own account")
    admin_roles: tuple[str, ...] = option(("admin", "swiftoperator"), "more roles of users in the group .admin")
    reseller_roles: tuple[str, ...] = option(
        ("ResellerAdmin",), "more roles of users in the group .reseller_admin, in any account"
    )
    validator_groups: tuple[str, ...] = option(
        (".reseller_admin", ".service"), "groups whose users may validate and revoke the tokens of others"
    )
    revocation_delay: float = option(
        10.0, "seconds after which at the latest each proxy looks again for tokens that others have revoked"
    )
    login_failures_per_user: int = option(10, "wrong passwords for one user within login_window; 0: any number")
    login_failures_per_address: int = option(50, "wrong passwords from one address within login_window; 0: any number")
    login_window: int = option(60, "seconds over which wrong passwords are counted", least=1)
