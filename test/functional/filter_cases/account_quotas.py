"""account_quotas: what resellers allow an account to hold."""

from __future__ import annotations

from functional.object_cases.notation import (
    ADMIN,
    COPY,
    GET,
    GUEST,
    HEAD,
    NOBODY,
    POST,
    PUT,
    STRANGER,
    by,
    case,
)

FULL, POLICY_FULL = "Upload exceeds quota.", "Upload exceeds policy quota."


def set_quota(**headers: str):
    """Set quotas of the case's account, as the reseller."""
    return by(ADMIN, POST("{fresh}", **headers)).gives(204)


# The reseller is never limited: each account's own writer is somebody to whom a container's access list allows it.
MADE = (
    by(ADMIN, PUT("{fresh}/c", X_Container_Write="test2:tester2", X_Container_Read="test2:tester2")).gives(201),
    by(ADMIN, PUT("{fresh}/silver", X_Container_Write="test2:tester2", X_Storage_Policy="silver")).gives(201),
)


def write(target: str = "{fresh}/c/o", body: str = "12345", **options: str):
    """PUT an object as one to whom quotas apply."""
    return by(STRANGER, PUT(target, body, **options))


def read(**expected: str | None):
    """HEAD the account."""
    return by(ADMIN, HEAD("{fresh}")).gives(204, **expected)


CASES = (
    case(
        "bytes",
        *MADE,
        set_quota(X_Account_Quota_Bytes="5"),
        read(X_Account_Quota_Bytes="5", X_Account_Meta_Quota_Bytes=None, X_Account_Quota_Count=None),
        by(ADMIN, GET("{fresh}")).gives(200, X_Account_Quota_Bytes="5"),
        write(body="123456").gives(413, FULL, Content_Type="text/html; charset=UTF-8", Etag=None),
        write().gives(201),
        by(ADMIN, PUT("{fresh}/c/more", "123456")).gives(201),
    ),
    case(
        "count", *MADE, set_quota(X_Account_Quota_Count="0"), write().gives(413, FULL), read(X_Account_Quota_Count="0")
    ),
    case(
        "both, in one request, and away again",
        *MADE,
        set_quota(X_Account_Quota_Count="0", X_Account_Quota_Bytes="7"),
        read(X_Account_Quota_Count="0", X_Account_Quota_Bytes="7"),
        set_quota(X_Account_Quota_Count=""),
        read(X_Account_Quota_Count=None, X_Account_Quota_Bytes="7"),
        write().gives(201),
        set_quota(X_Remove_Account_Quota_Bytes="x", X_Account_Quota_Bytes="1"),
        read(X_Account_Quota_Bytes=None),
        write("{fresh}/c/p", "12345678").gives(201),
    ),
    case(
        "as user metadata, the old way",
        *MADE,
        set_quota(X_Account_Meta_Quota_Bytes="3"),
        read(X_Account_Meta_Quota_Bytes="3", X_Account_Quota_Bytes="3"),
        write().gives(413, FULL),
        set_quota(X_Remove_Account_Meta_Quota_Bytes="x"),
        read(X_Account_Meta_Quota_Bytes=None, X_Account_Quota_Bytes=None),
        write().gives(201),
    ),
    case(
        "both ways at once",
        *MADE,
        set_quota(X_Account_Meta_Quota_Bytes="3", X_Account_Quota_Bytes="9"),
        read(X_Account_Meta_Quota_Bytes="3", X_Account_Quota_Bytes="9"),
        write().gives(201),
    ),
    case(
        "by storage policy",
        *MADE,
        set_quota(X_Account_Quota_Bytes_Policy_silver="4", X_Account_Quota_Count_Policy_gold="0"),
        read(X_Account_Quota_Bytes_Policy_Silver="4", X_Account_Quota_Count_Policy_Gold="0"),
        write().gives(413, POLICY_FULL),
        write("{fresh}/silver/o").gives(413, POLICY_FULL),
        write("{fresh}/silver/o", "1234").gives(201),
        set_quota(X_Remove_Account_Quota_Count_Policy_Gold="x"),
        read(X_Account_Quota_Count_Policy_Gold=None, X_Account_Quota_Bytes_Policy_Silver="4"),
        write().gives(201),
    ),
    case(
        "no numbers",
        *MADE,
        *(
            by(ADMIN, POST("{fresh}", **{header: value})).gives(400)
            for header in ("X_Account_Quota_Bytes", "X_Account_Quota_Count", "X_Account_Quota_Bytes_Policy_Gold")
            for value in ("x", "-1", "1.5", "1 2")
        ),
        by(ADMIN, POST("{fresh}", X_Account_Meta_Quota_Bytes="x")).gives(400),
        read(X_Account_Quota_Bytes=None, X_Account_Quota_Count=None, X_Account_Meta_Quota_Bytes=None),
    ),
    case("an unknown policy", *MADE, set_quota(X_Account_Quota_Bytes_Policy_Lead="x"), write().gives(201)),
    case(
        "only resellers set them",
        *(
            POST("{v1}", **{header: value}).gives(403)
            for header in ("X_Account_Quota_Bytes", "X_Account_Quota_Count_Policy_Gold", "X_Remove_Account_Quota_Bytes")
            for value in ("1", "x")
        ),
        POST("{v1}", X_Account_Meta_Quota_Bytes="1").gives(403),
        POST("{v1}", X_Remove_Account_Meta_Quota_Bytes="1").gives(403),
        by(GUEST, POST("{v1}", X_Account_Quota_Bytes="1")).gives(403),
        by(NOBODY, POST("{v1}", X_Account_Quota_Bytes="1")).gives(403),
        by(NOBODY, POST("{v1}", X_Account_Meta_A="1")).gives(401),
        HEAD("{v1}").gives(204, X_Account_Quota_Bytes=None, X_Account_Meta_Quota_Bytes=None),
    ),
    case(
        "who may not write hears nothing of quotas",
        *MADE,
        set_quota(X_Account_Quota_Count="0"),
        by(NOBODY, PUT("{fresh}/c/o")).gives(401),
        by(GUEST, PUT("{fresh}/c/o")).gives(403),
    ),
    case(
        "a copy counts",
        *MADE,
        by(ADMIN, PUT("{fresh}/c/source", "12345")).gives(201),
        set_quota(X_Account_Quota_Bytes="4"),
        by(STRANGER, COPY("{fresh}/c/source", Destination="c/o")).gives(413, FULL),
    ),
    case(
        "chunks, whose size is unknown",
        *MADE,
        set_quota(X_Account_Quota_Bytes="1"),
        write(framing="chunked").gives(201),
    ),
    case(
        "containers have room",
        *MADE,
        set_quota(X_Account_Quota_Count="0"),
        by(ADMIN, PUT("{fresh}/another")).gives(201),
    ),
)
