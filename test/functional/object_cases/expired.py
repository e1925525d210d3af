"""Objects whose time has come: gone for every verb, though their files are still there."""

from functional.object_cases.notation import (
    ANY_BODY,
    COPY,
    DELETE,
    GET,
    HEAD,
    POST,
    PUT,
    Case,
    Step,
    case,
    etag,
    eventually,
)

NAMES = ("got", "headed", "posted", "deleted", "copied", "put", "new", "ranged", "matched", "opened", "linked", "back")


def gone(name: str, *steps: Step) -> Case:
    """Steps that begin when the object is not found any more."""
    return case(name, eventually(GET("{c}/" + name).gives(404)), *steps)


SETUP = [
    *(PUT("{c}/" + name, "x", X_Delete_After="1", X_Object_Meta_A="b") for name in NAMES),
    PUT("{c}/link", X_Symlink_Target="expired/linked"),
    PUT("{c}/slo-s", "sssss"),
    PUT("{c}/slo?multipart-manifest=put", '[{"path": "/expired/slo-s"}]'),
    POST("{c}/slo-s", X_Delete_After="1"),
]
CASES = [
    gone("got", GET("{c}/got", X_Newest="true").gives(404), GET("{c}/got", X_Open_Expired="true").gives(404)),
    gone("headed", HEAD("{c}/headed").gives(404), HEAD("{c}/headed", X_Newest="true").gives(404)),
    gone(
        "posted",
        POST("{c}/posted", X_Object_Meta_A="c").gives(404),
        POST("{c}/posted", X_Delete_After="1000").gives(404),
    ),
    gone(
        "deleted",
        DELETE("{c}/deleted").gives(404),
        PUT("{c}/deleted", "y").gives(201),
        GET("{c}/deleted").gives(200, "y"),
    ),
    gone("copied", COPY("{c}/copied", Destination="{name}").gives(404), PUT(X_Copy_From="expired/copied").gives(404)),
    gone("put", PUT("{c}/put", "y").gives(201), GET("{c}/put").gives(200, "y", X_Delete_At=None, X_Object_Meta_A=None)),
    gone("new", PUT("{c}/new", "y", If_None_Match="*").gives(201), GET("{c}/new").gives(200, "y")),
    gone("ranged", GET("{c}/ranged", Range="bytes=0-0").gives(404), GET("{c}/ranged", Range="bytes=9-").gives(404)),
    gone(
        "matched", GET("{c}/matched", If_None_Match="*").gives(404), GET("{c}/matched", If_Match=etag("x")).gives(404)
    ),
    gone(
        "opened",
        HEAD("{c}/opened", X_Open_Expired="yes").gives(404),
        POST("{c}/opened", X_Open_Expired="true").gives(404),
    ),
    gone("linked", GET("{c}/link").gives(404), GET("{c}/link?symlink=get").gives(200, b"")),
    gone("back", DELETE("{c}/back", X_If_Delete_At="{now+1000}").gives(412, ANY_BODY)),
    case(
        "a segment",
        eventually(GET("{c}/slo-s").gives(404)),
        GET("{c}/slo").gives(409, ANY_BODY),
        HEAD("{c}/slo").gives(200),
    ),
]
