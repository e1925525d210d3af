"""healthcheck: whether the server takes requests."""

from __future__ import annotations

from functional.object_cases.notation import GET, HEAD, case

CASES = (
    case("GET", GET("/healthcheck").gives(200, "OK", Content_Type="text/plain")),
    case("HEAD", HEAD("/healthcheck").gives(200, Content_Length="2")),
    case("another path", GET("/healthcheck/").gives(412, "Bad URL")),
)
