"""name_check: names that the site does not want; characters, long paths, dot segments (formats.md 7.2)."""

from functional.object_cases.notation import GET, HEAD, NOBODY, PUT, by, case

CHARS = "Object/Container/Account name contains forbidden chars from '\"`<>"
LONG = "Object/Container/Account name longer than the allowed maximum 255"
DOTS = r"Object/Container/Account name contains a forbidden substring from regular expression /\./|/\.\./|/\.$|/\.\.$"
CASES = (
    *(
        case(f"forbidden in {target}", GET(target).gives(400, CHARS), HEAD(target).gives(400), PUT(target).gives(400, CHARS))
        for target in ("{o}%3C", "{v1}/a%60b", "/v1/AUTH_%3C/c", "/%3C", "{o}'", "/healthcheckk%22")
    ),
    case("without a token", by(NOBODY, GET("{o}%3C")).gives(400, CHARS)),
    case("in the query", GET("{c}?prefix=%3C").gives(204)),
    case("a long path", GET("{c}/" + "x" * 255).gives(400, LONG), HEAD("{c}/" + "x" * 255).gives(400)),
    case("a long path, percent-encoded", GET("{c}/" + "%41" * 200).gives(404)),
    case("a long path beyond ASCII", GET("{c}/" + "%C3%A9" * 125).gives(400, LONG)),
    *(
        case(f"dots: {tail}", GET("{c}" + tail).gives(400, DOTS), PUT("{c}" + tail, "x").gives(400, DOTS))
        for tail in ("/./a", "/../a", "/a/.", "/a/..", "/%2E%2E", "/a/%2E/b")
    ),
    *(
        case(f"allowed dots: {tail}", PUT("{c}" + tail, "x").gives(201), GET("{c}" + tail).gives(200, "x"))
        for tail in ("/.a", "/a.", "/...", "/a/..b", "/.a/b", "/..%0Ax")
    ),
    case("characters, then length", GET("{c}/%3E" + "x" * 255).gives(400, CHARS)),
    case("length, then dots", GET("{c}/./" + "x" * 255).gives(400, LONG)),
)  # fmt: skip
