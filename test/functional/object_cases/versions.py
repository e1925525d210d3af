"""Legacy versions: X-Versions-Location (stack) and X-History-Location (history)."""

from functional.object_cases.notation import ANY_BODY, COPY, DELETE, GET, HEAD, POST, PUT, Case, Step, case

OLD = "{v1}/versions-old"
MODES = {"stack": "X-Versions-Location", "history": "X-History-Location"}


def made(mode: str) -> Step:
    return PUT("{own}", more={MODES[mode]: "{slug}-old"}).gives(201)


def in_mode(mode: str, name: str, *steps: Step) -> Case:
    """A container of the case's own, with another for its old versions."""
    return case(f"{mode}: {name}", PUT("{v1}/{slug}-old"), made(mode), *steps)


def old(count: int) -> Step:
    """Look at the container of old versions."""
    return HEAD("{v1}/{slug}-old").gives(204, X_Container_Object_Count=str(count))


OWN = "{own}/o"
CASES = [
    *(
        one
        for mode, header in MODES.items()
        for one in (
            in_mode(mode, "shown", HEAD("{own}").gives(204, **{header.replace("-", "_"): "{slug}-old"})),
            in_mode(
                mode,
                "overwritten",
                PUT(OWN, "1").gives(201),
                old(0),
                PUT(OWN, "2").gives(201),
                old(1),
                GET(OWN).gives(200, "2"),
            ),
            in_mode(
                mode, "overwritten twice", PUT(OWN, "1"), PUT(OWN, "2"), PUT(OWN, "3"), old(2), GET(OWN).gives(200, "3")
            ),
            in_mode(mode, "posted", PUT(OWN, "1"), POST(OWN, X_Object_Meta_A="b").gives(202), old(0)),
            in_mode(
                mode,
                "copied over",
                PUT("{own}/s", "s"),
                PUT(OWN, "1"),
                PUT(OWN, X_Copy_From="own-{slug}/s").gives(201),
                old(1),
                GET(OWN).gives(200, "s"),
            ),
            in_mode(mode, "DELETE of a missing one", DELETE(OWN).gives(404), old(0 if mode == "stack" else 1)),
            in_mode(
                mode, "refused PUT", PUT(OWN, "1"), PUT(OWN, "2", ETag="0" * 32).gives(422), GET(OWN).gives(200, "1")
            ),
            in_mode(
                mode,
                "removed by POST",
                POST("{own}", more={"X-Remove" + header[1:]: "x"}).gives(204),
                HEAD("{own}").gives(204, **{header.replace("-", "_"): None}),
                PUT(OWN, "1"),
                PUT(OWN, "2"),
                old(0),
            ),
            in_mode(
                mode,
                "removed by an empty value",
                POST("{own}", more={header: ""}).gives(204),
                PUT(OWN, "1"),
                PUT(OWN, "2"),
                old(0),
            ),
            in_mode(
                mode,
                "metadata kept",
                PUT(OWN, "1", X_Object_Meta_A="b"),
                POST(OWN, X_Object_Meta_A="c"),
                PUT(OWN, "2"),
                HEAD(OWN).gives(200, X_Object_Meta_A=None),
            ),
            in_mode(
                mode,
                "UTF-8 name",
                PUT("{own}/%C3%A9", "1"),
                PUT("{own}/%C3%A9", "2"),
                GET("{v1}/{slug}-old?prefix=002%C3%A9/").gives(200, ANY_BODY),
            ),
            case(
                f"{mode}: container missing",
                PUT("{own}", more={header: "{slug}-none"}).gives(201),
                PUT(OWN, "1").gives(201),
                PUT(OWN, "2").gives(412, ANY_BODY),
                GET(OWN).gives(200, "1"),
            ),
            case(f"{mode}: name with a slash", PUT("{own}", more={header: "a/b"}).gives(412, ANY_BODY)),
            case(f"{mode}: quoted name", PUT("{own}", more={header: "a%20b"}).gives(201), HEAD("{own}").gives(204)),
        )
    ),
    case("both at once", PUT("{own}", X_Versions_Location="a", X_History_Location="b").gives(400, ANY_BODY)),
    case(
        "from one to the other",
        PUT("{own}", X_Versions_Location="a"),
        POST("{own}", X_History_Location="b").gives(204),
        HEAD("{own}").gives(204, X_Versions_Location=None, X_History_Location="b"),
    ),
    in_mode(
        "stack",
        "brought back",
        PUT(OWN, "1"),
        PUT(OWN, "2"),
        DELETE(OWN).gives(204),
        GET(OWN).gives(200, "1"),
        old(0),
        DELETE(OWN).gives(204),
        GET(OWN).gives(404),
        DELETE(OWN).gives(404),
    ),
    in_mode(
        "stack",
        "brought back with metadata",
        PUT(OWN, "1", X_Object_Meta_A="b", Content_Type="c/d"),
        PUT(OWN, "2"),
        DELETE(OWN).gives(204),
        GET(OWN).gives(200, "1", X_Object_Meta_A="b", Content_Type="c/d"),
    ),
    in_mode(
        "stack",
        "COPY",
        PUT(OWN, "1"),
        PUT(OWN, "2"),
        COPY(OWN, Destination="own-{slug}/p").gives(201),
        DELETE("{own}/p").gives(204),
        GET(OWN).gives(200, "2"),
    ),
    in_mode(
        "history",
        "deleted",
        PUT(OWN, "1"),
        PUT(OWN, "2"),
        DELETE(OWN).gives(204),
        GET(OWN).gives(404),
        old(3),
        PUT(OWN, "3"),
        GET(OWN).gives(200, "3"),
        old(3),
    ),
    in_mode("history", "deleted once", PUT(OWN, "1"), DELETE(OWN).gives(204), old(2)),
    in_mode("history", "deleted twice", PUT(OWN, "1"), DELETE(OWN).gives(204), DELETE(OWN).gives(404), old(3)),
]
