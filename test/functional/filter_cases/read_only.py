"""read_only: nothing is refused while the conf says so; test_read_only has clusters and accounts that are read only."""

from functional.object_cases.notation import COPY, DELETE, GET, POST, PUT, case

CASES = (
    case(
        "nothing is refused",
        PUT(body="x").gives(201),
        POST(X_Object_Meta_A="b").gives(202),
        COPY(Destination="{name}-2").gives(201),
        GET().gives(200, "x"),
        DELETE().gives(204),
    ),
    case(
        "nowhere to copy to",
        PUT(body="x"),
        COPY(Destination="{name}-2", Destination_Account="a%2Fb").gives(412, "Account name cannot contain slashes"),
    ),
)
