"""recon: a path that is no check."""

from __future__ import annotations

import re

from functional.object_cases.notation import GET, HEAD, case

CASES = (
    case("no check", GET("/recon/nonesuch").gives(404, "Invalid path: /recon/nonesuch", Content_Type="text/plain")),
    case("no type", GET("/recon/updater").gives(404, "Invalid path: /recon/updater")),
    case("wrong type", GET("/recon/expirer/account").gives(404, "Invalid path: /recon/expirer/account")),
    case("odd type", GET("/recon/replication/x%20y").gives(404, "Invalid path: /recon/replication/x%20y")),
    case("a type too many", GET("/recon/sharding/x").gives(200, re.compile(rb"\{.*\}"))),
    case("one of replication", GET("/recon/replication").gives(200, re.compile(rb"\{.*object_replication_last.*\}"))),
    case("HEAD", HEAD("/recon/nonesuch").gives(404, b"")),
)
