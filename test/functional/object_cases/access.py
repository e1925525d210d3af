"""Who may do what with objects: access lists of containers, and of both ends of copies, links and large objects."""

from functional.object_cases.notation import (
    ANY_BODY,
    COPY,
    DELETE,
    GET,
    GUEST,
    HEAD,
    NOBODY,
    POST,
    PUT,
    STRANGER,
    Case,
    Step,
    by,
    case,
    etag,
)

READ, WRITE, NONE = "{v1}/access-read", "{v1}/access-write", "{v1}/access-none"
PUBLIC, BOTH = "{v1}/access-public", "{v1}/access-both"


def every(name: str, who: dict[str, str], container: str, *statuses: int) -> Case:
    """GET, HEAD, PUT, POST, DELETE of objects in a container; an object is put anew by its owner."""
    own = container + "/{slug}"
    steps = (GET(own), HEAD(own), PUT(own, "y"), POST(own, X_Object_Meta_A="b"), DELETE(own))
    return case(name, PUT(own, "x"), *(by(who, step).gives(status, ANY_BODY) for step, status in zip(steps, statuses)))


def slo(target: str) -> Step:
    return PUT(target + "?multipart-manifest=put", '[{"path": "/access-none/a"}]')


SETUP = [
    PUT(READ, X_Container_Read="test:tester3"),
    PUT(WRITE, X_Container_Write="test:tester3"),
    PUT(BOTH, X_Container_Read="test:tester3", X_Container_Write="test:tester3"),
    PUT(PUBLIC, X_Container_Read=".r:*"),
    PUT(NONE),
    *(PUT(container + "/a", "aaaaa") for container in (READ, WRITE, BOTH, PUBLIC, NONE)),
    PUT(READ + "/link", X_Symlink_Target="access-none/a"),
    PUT(NONE + "/link", X_Symlink_Target="access-read/a"),
    slo(READ + "/slo"),
    PUT(READ + "/dlo", X_Object_Manifest="access-none/a"),
]
CASES = [
    every("guest without rights", GUEST, NONE, 403, 403, 403, 403, 403),
    every("guest who may read", GUEST, READ, 200, 200, 403, 403, 403),
    every("guest who may write", GUEST, WRITE, 403, 403, 201, 202, 204),
    every("guest who may both", GUEST, BOTH, 200, 200, 201, 202, 204),
    every("guest of a public one", GUEST, PUBLIC, 200, 200, 403, 403, 403),
    every("stranger", STRANGER, BOTH, 403, 403, 403, 403, 403),
    every("stranger of a public one", STRANGER, PUBLIC, 200, 200, 403, 403, 403),
    every("nobody", NOBODY, BOTH, 401, 401, 401, 401, 401),
    every("nobody of a public one", NOBODY, PUBLIC, 200, 200, 401, 401, 401),
    case(
        "missing objects are not told of",
        by(GUEST, GET(NONE + "/no")).gives(403),
        by(GUEST, DELETE(NONE + "/no")).gives(403),
    ),
    case(
        "missing containers are not told of",
        by(GUEST, GET("{own}/no")).gives(403),
        by(NOBODY, GET("{own}/no")).gives(401),
    ),
    case("COPY, source forbidden", by(GUEST, COPY(NONE + "/a", Destination="access-write/{slug}")).gives(403)),
    case("COPY, destination forbidden", by(GUEST, COPY(READ + "/a", Destination="access-none/{slug}")).gives(403)),
    case("COPY, both allowed", by(GUEST, COPY(READ + "/a", Destination="access-write/{slug}")).gives(201)),
    case("PUT copy, source forbidden", by(GUEST, PUT(WRITE + "/{slug}", X_Copy_From="access-none/a")).gives(403)),
    case("PUT copy, destination forbidden", by(GUEST, PUT(NONE + "/{slug}", X_Copy_From="access-read/a")).gives(403)),
    case("PUT copy, both allowed", by(GUEST, PUT(WRITE + "/{slug}", X_Copy_From="access-read/a")).gives(201)),
    case("PUT copy, source write only", by(GUEST, PUT(WRITE + "/{slug}", X_Copy_From="access-write/a")).gives(403)),
    case("copy of a public source", by(GUEST, PUT(WRITE + "/{slug}", X_Copy_From="access-public/a")).gives(201)),
    case(
        "copy by a stranger to home",
        by(STRANGER, COPY(PUBLIC + "/a", Destination="no/o", Destination_Account="AUTH_test2")).gives(404, ANY_BODY),
    ),
    case(
        "copy into another account", COPY(PUBLIC + "/a", Destination="c/o", Destination_Account="AUTH_test2").gives(403)
    ),
    case(
        "link to what is forbidden",
        by(GUEST, GET(READ + "/link")).gives(403),
        by(GUEST, HEAD(READ + "/link")).gives(403),
    ),
    case("link shown", by(GUEST, GET(READ + "/link?symlink=get")).gives(200, b"")),
    case("link that is forbidden", by(GUEST, GET(NONE + "/link")).gives(403)),
    case(
        "link made to what is forbidden", by(GUEST, PUT(WRITE + "/{slug}", X_Symlink_Target="access-none/a")).gives(201)
    ),
    case(
        "static link made to what is forbidden",
        by(GUEST, PUT(WRITE + "/{slug}", X_Symlink_Target="access-none/a", X_Symlink_Target_Etag=etag("aaaaa"))).gives(
            403, ANY_BODY
        ),
    ),
    case(
        "SLO with forbidden segments",
        by(GUEST, GET(READ + "/slo")).gives(409, ANY_BODY),
        by(GUEST, HEAD(READ + "/slo")).gives(200),
    ),
    case("SLO made of forbidden segments", by(GUEST, slo(WRITE + "/{slug}")).gives(400, ANY_BODY)),
    case("DLO with forbidden segments", by(GUEST, GET(READ + "/dlo")).gives(403, ANY_BODY)),
    case(
        "conditions tell nothing",
        by(GUEST, GET(NONE + "/a", If_None_Match="*")).gives(403),
        by(GUEST, PUT(NONE + "/a", "x", If_None_Match="*")).gives(403),
    ),
    case("access lists are for owners", by(GUEST, HEAD(READ)).gives(204, X_Container_Read=None)),
    case(
        "old versions are kept whoever writes",
        PUT("{v1}/{slug}-old"),
        PUT("{own}", X_Versions_Location="{slug}-old", X_Container_Write="test:tester3"),
        PUT("{own}/o", "1"),
        by(GUEST, PUT("{own}/o", "2")).gives(201),
        by(GUEST, GET("{own}/o")).gives(403),
        HEAD("{v1}/{slug}-old").gives(204, X_Container_Object_Count="1"),
    ),
    case(
        "versions of who may only write",
        PUT("{own}", X_Versions_Enabled="true", X_Container_Write="test:tester3"),
        PUT("{own}/o", "1"),
        by(GUEST, PUT("{own}/o", "2")).gives(201, b""),
        by(GUEST, GET("{own}/o")).gives(403),
        GET("{own}/o").gives(200, "2"),
    ),
    case(
        "versions of who may read",
        PUT("{own}", X_Versions_Enabled="true", X_Container_Read="test:tester3"),
        PUT("{own}/o", "1").saves(a="X-Object-Version-Id"),
        by(GUEST, GET("{own}/o")).gives(200, "1"),
        by(GUEST, GET("{own}/o?version-id={a}")).gives(403, ANY_BODY),
        by(GUEST, DELETE("{own}/o?version-id={a}")).gives(403, ANY_BODY),
    ),
]
