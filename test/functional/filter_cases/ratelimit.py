"""ratelimit: accounts that an operator shuts out, and those that know no limits."""

from __future__ import annotations

from functional.object_cases.notation import ADMIN, GET, PUT, by, case

CASES = (
    case("blacklisted", GET("/v1/AUTH_black").gives(497, "Your account has been blacklisted")),
    case("blacklisted write", PUT("/v1/AUTH_black/c").gives(497, "Your account has been blacklisted")),
    case("whitelisted", by(ADMIN, GET("/v1/AUTH_white?format=json")).gives(200, "[]")),
)
