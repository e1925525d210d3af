"""X-Delete-At and X-Delete-After: taken, refused, and objects whose time has come."""

import re

from functional.object_cases.notation import DELETE, GET, HEAD, POST, PUT, Case, case

NUMBER = re.compile(r"\d{10}")


def both(name: str, status: int, body: str, **headers: str) -> Case:
    """PUT and POST refuse it with the same words, and change nothing."""
    return case(
        name,
        PUT(body="x", **headers).gives(status, body, Content_Type="text/plain"),
        GET().gives(404),
        PUT(body="old"),
        POST(**headers).gives(status, body),
        GET().gives(200, "old", X_Delete_At=None),
    )


AT_PAST, AT_WORD = "X-Delete-At in past", "Non-integer X-Delete-At"
AFTER_PAST, AFTER_WORD = "X-Delete-After in past", "Non-integer X-Delete-After"

CASES = [
    case("at", PUT(body="x", X_Delete_At="{now+1000}").gives(201), GET().gives(200, "x", X_Delete_At="{now+1000}")),
    case("at, by head", PUT(body="x", X_Delete_At="{now+1000}"), HEAD().gives(200, X_Delete_At="{now+1000}")),
    case(
        "after",
        PUT(body="x", X_Delete_After="1000").gives(201),
        HEAD().gives(200, X_Delete_At=NUMBER, X_Delete_After=None),
    ),
    case(
        "both",
        PUT(body="x", X_Delete_At="{now+1000}", X_Delete_After="5000").gives(201),
        HEAD().gives(200, X_Delete_At=NUMBER),
    ),
    case("at and a bad after", PUT(body="x", X_Delete_At="{now+1000}", X_Delete_After="x").gives(400, AFTER_WORD)),
    case("after and a bad at", PUT(body="x", X_Delete_At="x", X_Delete_After="1000").gives(201)),
    case(
        "at the last second",
        PUT(body="x", X_Delete_At="9999999999").gives(201),
        HEAD().gives(200, X_Delete_At="9999999999"),
    ),
    case(
        "at beyond the last second",
        PUT(body="x", X_Delete_At="99999999999").gives(201),
        HEAD().gives(200, X_Delete_At="9999999999"),
    ),
    case(
        "after for ever",
        PUT(body="x", X_Delete_After="99999999999").gives(201),
        HEAD().gives(200, X_Delete_At="9999999999"),
    ),
    case(
        "at with blanks",
        PUT(body="x", X_Delete_At=" {now+1000} ").gives(201),
        HEAD().gives(200, X_Delete_At="{now+1000}"),
    ),
    case(
        "at with zeros",
        PUT(body="x", X_Delete_At="000{now+1000}").gives(201),
        HEAD().gives(200, X_Delete_At="{now+1000}"),
    ),
    case(
        "at with a plus",
        PUT(body="x", X_Delete_At="+{now+1000}").gives(201),
        HEAD().gives(200, X_Delete_At="{now+1000}"),
    ),
    case("at with an underscore", PUT(body="x", X_Delete_At="9_999_999_999").gives(201), HEAD().gives(200)),
    both("at now", 400, AT_PAST, X_Delete_At="{now}"),
    both("at in the past", 400, AT_PAST, X_Delete_At="{now-1}"),
    both("at zero", 400, AT_PAST, X_Delete_At="0"),
    both("at negative", 400, AT_PAST, X_Delete_At="-5"),
    both("at a word", 400, AT_WORD, X_Delete_At="tomorrow"),
    both("at a fraction", 400, AT_WORD, X_Delete_At="{now+1000}.5"),
    both("at an exponent", 400, AT_WORD, X_Delete_At="1e12"),
    both("at a date", 400, AT_WORD, X_Delete_At="{date+1000}"),
    both("at bytes", 400, AT_WORD, X_Delete_At="\xff"),
    both("after zero", 400, AFTER_PAST, X_Delete_After="0"),
    both("after negative", 400, AFTER_PAST, X_Delete_After="-1"),
    both("after a word", 400, AFTER_WORD, X_Delete_After="later"),
    both("after a fraction", 400, AFTER_WORD, X_Delete_After="1.5"),
    case("at empty", PUT(body="x", X_Delete_At="").gives(400, AT_WORD)),
    case("after empty", PUT(body="x", X_Delete_After="").gives(400, AFTER_WORD)),
    case(
        "a bad one leaves the old",
        PUT(body="old"),
        PUT(body="new", X_Delete_At="1").gives(400, AT_PAST),
        GET().gives(200, "old"),
    ),
    case(
        "POST sets",
        PUT(body="x"),
        POST(X_Delete_At="{now+1000}").gives(202),
        HEAD().gives(200, X_Delete_At="{now+1000}"),
    ),
    case("POST after", PUT(body="x"), POST(X_Delete_After="1000").gives(202), HEAD().gives(200, X_Delete_At=NUMBER)),
    case(
        "POST moves",
        PUT(body="x", X_Delete_At="{now+1000}"),
        POST(X_Delete_At="{now+2000}"),
        HEAD().gives(200, X_Delete_At="{now+2000}"),
    ),
    case(
        "POST removes",
        PUT(body="x", X_Delete_At="{now+1000}"),
        POST(X_Object_Meta_A="b").gives(202),
        HEAD().gives(200, X_Delete_At=None),
    ),
    case(
        "POST remove header",
        PUT(body="x", X_Delete_At="{now+1000}"),
        POST(X_Remove_Delete_At="1").gives(202),
        HEAD().gives(200, X_Delete_At=None),
    ),
    case("POST to a missing object", POST(X_Delete_At="{now+1000}").gives(404)),
    case("PUT removes", PUT(body="x", X_Delete_At="{now+1000}"), PUT(body="y"), HEAD().gives(200, X_Delete_At=None)),
    case(
        "range of it",
        PUT(body="xyz", X_Delete_At="{now+1000}"),
        GET(Range="bytes=0-0").gives(206, "x", X_Delete_At="{now+1000}"),
    ),
    case("304 of it", PUT(body="xyz", X_Delete_At="{now+1000}"), GET(If_None_Match="*").gives(304)),
    case("deleted before its time", PUT(body="x", X_Delete_At="{now+1000}"), DELETE().gives(204), GET().gives(404)),
]
