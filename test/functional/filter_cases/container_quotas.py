"""container_quotas: what a container has no room for."""

from __future__ import annotations

from functional.object_cases.notation import (
    COPY,
    DELETE,
    GET,
    GUEST,
    HEAD,
    NOBODY,
    POST,
    PUT,
    STRANGER,
    by,
    case,
    eventually,
)

FULL = "Upload exceeds quota."
NO_BYTES, NO_COUNT = "Invalid bytes quota.", "Invalid count quota."
# What is known of a container may be a minute old; a listing that has the object brings news.
LISTED = eventually(GET("{own}").gives(200))
MADE = PUT("{own}").gives(201)

SETUP = (PUT("{c}/five", "12345"),)
CASES = (
    case(
        "bytes",
        PUT("{own}", X_Container_Meta_Quota_Bytes="5").gives(201),
        HEAD("{own}").gives(204, X_Container_Meta_Quota_Bytes="5"),
        PUT("{own}/o", "123456").gives(413, FULL, Content_Type="text/html; charset=UTF-8", Etag=None),
        GET("{own}/o").gives(404),
        PUT("{own}/o", "12345").gives(201),
        LISTED,
        PUT("{own}/p", "1").gives(413, FULL),
        PUT("{own}/o", "12345").gives(413, FULL),
        PUT("{own}/p").gives(201),
        DELETE("{own}/p").gives(204),
        DELETE("{own}/o").gives(204),
        eventually(GET("{own}").gives(204)),
        PUT("{own}/p", "12345").gives(201),
    ),
    case(
        "count",
        PUT("{own}", X_Container_Meta_Quota_Count="1").gives(201),
        PUT("{own}/o", "1").gives(201),
        LISTED,
        PUT("{own}/p").gives(413, FULL),
        PUT("{own}/o", "2").gives(413, FULL),
        POST("{own}/o", X_Object_Meta_A="1").gives(202),
    ),
    case("none at all", PUT("{own}", X_Container_Meta_Quota_Count="0").gives(201), PUT("{own}/o").gives(413, FULL)),
    case("no bytes", PUT("{own}", X_Container_Meta_Quota_Bytes="0"), PUT("{own}/o").gives(201)),
    case(
        "by POST, and away",
        MADE,
        POST("{own}", X_Container_Meta_Quota_Bytes="1").gives(204),
        PUT("{own}/o", "12").gives(413, FULL),
        POST("{own}", X_Container_Meta_Quota_Bytes="").gives(204),
        PUT("{own}/o", "12").gives(201),
        POST("{own}", X_Container_Meta_Quota_Count="0").gives(204),
        PUT("{own}/o", "12").gives(413, FULL),
        POST("{own}", X_Remove_Container_Meta_Quota_Count="x").gives(204),
        PUT("{own}/o", "12").gives(201),
    ),
    case(
        "no numbers",
        *(
            request("{own}", **{header: value}).gives(400, words, Content_Type="text/html; charset=UTF-8")
            for request in (PUT, POST)
            for header, words in (
                ("X_Container_Meta_Quota_Bytes", NO_BYTES),
                ("X_Container_Meta_Quota_Count", NO_COUNT),
            )
            for value in ("x", "-1", "1.5", "1e3", "0x10", "1 2")
        ),
        PUT("{own}", X_Container_Meta_Quota_Bytes="x", X_Container_Meta_Quota_Count="x").gives(400, NO_BYTES),
        HEAD("{own}").gives(404, b""),
    ),
    case("no number for an object", PUT(X_Container_Meta_Quota_Bytes="x").gives(201)),
    case(
        "chunks, whose size is unknown",
        PUT("{own}", X_Container_Meta_Quota_Bytes="5"),
        PUT("{own}/o", "123456", framing="chunked").gives(201),
        LISTED,
        PUT("{own}/p", "1", framing="chunked").gives(413, FULL),
    ),
    case(
        "a copy counts",
        PUT("{own}", X_Container_Meta_Quota_Bytes="4").gives(201),
        PUT("{own}/o", X_Copy_From="container_quotas/five").gives(413, FULL),
        COPY("{c}/five", Destination="own-{slug}/o").gives(413, FULL),
        POST("{own}", X_Container_Meta_Quota_Bytes="5").gives(204),
        COPY("{c}/five", Destination="own-{slug}/o").gives(201),
    ),
    case(
        "who may not write hears nothing of quotas",
        PUT("{own}", X_Container_Meta_Quota_Count="0").gives(201),
        by(NOBODY, PUT("{own}/o")).gives(401),
        by(STRANGER, PUT("{own}/o")).gives(403),
        by(GUEST, PUT("{own}/o")).gives(403),
        POST("{own}", X_Container_Write="test:tester3").gives(204),
        by(GUEST, PUT("{own}/o")).gives(413, FULL),
    ),
    case(
        "SLO segments count, the manifest by itself",
        PUT("{own}", X_Container_Meta_Quota_Bytes="10").gives(201),
        PUT(
            "{own}/slo?multipart-manifest=put",
            '[{"path": "/container_quotas/five"}]',
        ).gives(413, FULL),
    ),
    case("in a missing container", PUT("{own}/o", "1").gives(404)),
)
