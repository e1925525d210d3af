"""Names and paths of objects, methods, and what is wrong before any object is looked at."""

from functional.object_cases.notation import ANY, ANY_BODY, DELETE, GET, HEAD, HTML, POST, PUT, Case, case, request

LONGEST = "n" * 1024
BAD_PATH = "Invalid UTF8 or contains NULL"


def stored(name: str, path: str) -> Case:
    """An object of this name goes in, comes out and goes away."""
    return case(
        name, PUT(path, "x").gives(201), GET(path).gives(200, "x"), DELETE(path).gives(204), GET(path).gives(404)
    )


def everywhere(name: str, path: str, status: int, body: str | None = None) -> Case:
    """Every method gives the same status."""
    steps = [make(path).gives(status, body) for make in (GET, PUT, POST, DELETE)]
    return case(name, *steps, HEAD(path).gives(status))


CASES = [
    stored("longest", "{c}/" + LONGEST),
    stored("700 letters of two bytes", "{c}/" + "%C3%A9" * 700),
    stored("a dot", "{c}/."),
    stored("two dots", "{c}/.."),
    stored("dots within", "{c}/a/../b/./c"),
    stored("only a slash", "{c}//"),
    stored("percent", "{c}/%25%2525"),
    stored("newline and control bytes", "{c}/a%0Ab%0D%01%7F"),
    stored("quotes and brackets", "{c}/%22'%3C%3E%5B%5D%7B%7D%5C%5E%60%7C"),
    stored("four bytes of UTF-8", "{c}/%F0%9F%98%80"),
    stored("question mark", "{c}/a%3Fb%23c"),
    stored("semicolon and the like", "{c}/a;b=c,d:e@f&g$h!i~j*(k)"),
    stored("raw UTF-8", "{c}/\xc3\xa9"),
    stored("a dotted word", "{c}/.hidden"),
    stored("two slashes and no name", "{c}///"),
    case("too long", PUT("{c}/" + LONGEST + "n", "x").gives(400, "Object name length of 1025 longer than 1024")),
    case("too long otherwise", GET("{c}/" + LONGEST + "n").gives(404), DELETE("{c}/" + LONGEST + "n").gives(404)),
    case(
        "too long for HEAD and POST", HEAD("{c}/" + LONGEST + "n").gives(404), POST("{c}/" + LONGEST + "n").gives(404)
    ),
    everywhere("bad UTF-8", "{c}/%FF", 412, BAD_PATH),
    everywhere("half a letter", "{c}/a%C3", 412, BAD_PATH),
    everywhere("surrogate", "{c}/%ED%A0%80", 412, BAD_PATH),
    everywhere("NUL", "{c}/a%00b", 412, BAD_PATH),
    everywhere("NUL first", "{c}/%00b", 412, BAD_PATH),
    everywhere("NUL in the container", "{v1}/a%00/b", 412, BAD_PATH),
    everywhere("container missing", "{own}/o", 404),
    everywhere("account of nobody", "/v1/AUTH_nobody/c/o", 403),
    everywhere("version unknown", "/v2/AUTH_test/c/o", 400),
    everywhere("version 1.0 of a missing one", "/v1.0/{account}/none/o", 404),
    everywhere("no container", "{v1}//o", 404),
    everywhere("no account", "/v1//c/o", 404),
    case("no path", GET("/").gives(300, ANY_BODY)),
    case("only a version", GET("/v1").gives(412, "Bad URL"), GET("/v1/").gives(412, "Bad URL")),
    case("a word", GET("/favicon.ico").gives(412, "Bad URL")),
    case("version 1.0", PUT(body="x"), GET("/v1.0/{account}/{name}").gives(200, "x")),
    case("absolute URL", PUT(body="x"), GET("http://{host}{o}").gives(200, "x")),
    case("fragment", PUT(body="x"), GET("{o}%23f").gives(404)),
    case("bad escape", PUT("{o}%zz", "x").gives(201), GET("{o}%25zz").gives(200, "x")),
    case("method unknown", request("BREW").gives(405, HTML, Allow=ANY)),
    case("method in lower case", PUT(body="x"), request("get").gives(405, HTML, Allow=ANY)),
    case("method PATCH", request("PATCH", body="x").gives(405)),
    case("method of the inside", request("REPLICATE").gives(405), request("SSYNC").gives(405)),
    case("method not public", request("GETorHEAD").gives(405), request("__init__").gives(405)),
    case("method TRACE", request("TRACE").gives(405)),
    case("OPTIONS", request("OPTIONS").gives(200, b"", Allow=ANY)),
    case("OPTIONS without token", request("OPTIONS", X_Auth_Token="").gives(200)),
    case("OPTIONS with an origin", request("OPTIONS", Origin="http://a").gives(401)),
    case(
        "OPTIONS preflight refused",
        request("OPTIONS", Origin="http://a", Access_Control_Request_Method="GET").gives(401),
    ),
    case("container of two names", PUT("{c}%2Fa/b", "x").gives(201), GET("{c}/a/b").gives(200, "x")),
]
