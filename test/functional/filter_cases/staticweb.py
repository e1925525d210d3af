"""staticweb: containers as web sites: index and error pages, listings, redirects (formats.md 7.20)."""

from __future__ import annotations

import re

from functional.object_cases.notation import ANY, DELETE, GET, HEAD, NOBODY, POST, PUT, Case, Step, by, case, request

HTML_TYPE = "text/html; charset=UTF-8"
PAGE = re.compile(rb"<!DOCTYPE html>.*</html>\n", re.DOTALL)


def site(container: str, *objects: str, read: str = ".r:*,.rlistings", **web: str) -> list[Step]:
    """The requests that make a public container with objects that hold their own names."""
    meta = {f"X-Container-Meta-Web-{name.replace('_', '-')}": value for name, value in web.items()}
    path = f"{{v1}}/{container}"
    made = [PUT(path, more={"X-Container-Read": read, **meta})]
    return made + [PUT(f"{path}/{name}", name.split("/")[-1], Content_Type="text/plain") for name in objects]


def listing(*parts: str) -> re.Pattern[bytes]:
    """A page that has these in this order."""
    return re.compile(b".*" + b".*".join(re.escape(part.encode()) for part in parts) + b".*", re.DOTALL)


def anonymous(*steps: Step) -> tuple[Step, ...]:
    return tuple(by(NOBODY, step) for step in steps)


def both(name: str, target: str, answer: Step) -> tuple[Case, Case]:
    """The same GET and HEAD of somebody without a token."""
    return (
        case(
            f"GET {name}", by(NOBODY, GET(target)).gives(answer.status or 200, answer.answer, **dict(answer.expected))
        ),
        case(f"HEAD {name}", by(NOBODY, HEAD(target)).gives(answer.status or 200, b"", **dict(answer.expected))),
    )


ODD = "a%22%3E%3Cscript%3Ealert(1)%3C/script%3E"
SETUP = [
    *site("sw-plain", "one"),
    *site("sw-index", "index.html", "dir/index.html", "dir/x", "deep/down/y", "bare", Index="index.html"),
    *site("sw-both", "dir/index.html", "top", "more/z", "404error.html", Index="index.html", Listings="true",
          Error="error.html"),
    *site("sw-list", "b", "a", "dir/c", "dir/sub/d", Listings="true"),
    *site("sw-css", "a", "dir/b", "dir/sub/c", Listings="on", Listings_CSS="style/list.css", Listings_Label="a <b> site"),
    *site("sw-css-url", "dir/a", Listings="1", Listings_CSS="https://x.example/a b.css"),
    *site("sw-css-root", "dir/a", Listings="t", Listings_CSS='/css/"quoted".css'),
    *site("sw-evil", ODD, "x%00y".replace("%00", "%0A"), "dir/javascript:alert(1)", "&amp;", "..", "../a", "./a", "%C3%A9",
          Listings="true", Listings_Label='"><script>alert(1)</script>'),
    PUT("{v1}/sw-evil/type", "x", Content_Type='text/"><script>'),
    *site("sw-error", "x", "404oops.html", "401oops.html", Error="oops.html", Listings="true", read=".r:*"),
    *site("sw-closed", "x", "401oops.html", Error="oops.html", Index="index.html", read=".r:other.example"),
    *site("sw-private", "x", Index="index.html", read=""),
    *site("sw-off", "x", "dir/y", Listings="false", Index='<i>"x"', Listings_CSS="s.css"),
    *site("sw-dirs", "marked/z", Listings="true", Index="i", Directory_Type="text/directory"),
    PUT("{v1}/sw-dirs/marked", b"", Content_Type="text/directory"),
    PUT("{v1}/sw-dirs/alone", b"", Content_Type="text/directory"),
    PUT("{v1}/sw-dirs/full", b"too long", Content_Type="text/directory"),
    PUT("{v1}/sw-dirs/usual", b"", Content_Type="application/directory"),
    PUT("{v1}/sw-list/marked", b"", Content_Type="application/directory"),
    PUT("{v1}/sw-list/marked/inside", b"i"),
    *site("sw-%C3%A9", "%C3%A9/%C3%BC", "%C3%A4/%C3%B6", Listings="true", Index="\u00c3\u00b6", Error="\u00c3\u00a9"),
    PUT("{v1}/sw-%C3%A9/404%C3%A9", "missing"),
    *site("sw-empty", Listings="true"),
    PUT("{v1}/sw-list/big", b"x" * 70000),
]  # fmt: skip
CASES = [
    *both("an object of a public container", "{v1}/sw-plain/one", GET().gives(200, "one")),
    case(
        "a public container that is no site",
        *anonymous(GET("{v1}/sw-plain").gives(200, "one\n"), HEAD("{v1}/sw-plain/").gives(204)),
    ),
    case("missing object where nothing is said", *anonymous(GET("{v1}/sw-plain/no").gives(404))),
    *both("a container with an index, no slash", "{v1}/sw-index", GET().gives(301, Location=ANY)),
    *both("a container with an index", "{v1}/sw-index/", GET().gives(200, "index.html")),
    *both("a directory with an index, no slash", "{v1}/sw-index/dir", GET().gives(301, Location=ANY)),
    *both("a directory with an index", "{v1}/sw-index/dir/", GET().gives(200, "index.html")),
    *both("a directory without an index", "{v1}/sw-index/deep/", GET().gives(404, PAGE, Content_Type=HTML_TYPE)),
    *both("a directory without an index, no slash", "{v1}/sw-index/deep", GET().gives(301, Location=ANY)),
    *both("what is not there", "{v1}/sw-index/nothing", GET().gives(404)),
    *both("what is not there, with a slash", "{v1}/sw-index/nothing/", GET().gives(404, PAGE)),
    *both("an object of a site", "{v1}/sw-index/bare", GET().gives(200, "bare")),
    *both("an index before a listing", "{v1}/sw-both/dir/", GET().gives(200, "index.html")),
    *both("a listing where there is no index", "{v1}/sw-both/more/", GET().gives(200, listing("../", "./z"))),
    *both("the error page", "{v1}/sw-both/none", GET().gives(404, "404error.html", Content_Type="text/plain")),
    *both("the error page with a slash", "{v1}/sw-both/none/", GET().gives(404, "404error.html")),
    *both(
        "a container's listing",
        "{v1}/sw-list/",
        GET().gives(200, listing("Listing of ", "./dir/", "./a", "./b"), Content_Type=HTML_TYPE),
    ),
    *both("a listing of a directory", "{v1}/sw-list/dir/", GET().gives(200, listing("../", "./sub/", "./c"))),
    *both("a listing below", "{v1}/sw-list/dir/sub/", GET().gives(200, listing("../", "./d"))),
    *both("a listing, no slash", "{v1}/sw-list", GET().gives(301)),
    *both("a directory's listing, no slash", "{v1}/sw-list/dir", GET().gives(301)),
    *both("a directory that is none", "{v1}/sw-list/di", GET().gives(404)),
    *both("a directory's marker, no slash", "{v1}/sw-list/marked", GET().gives(301)),
    *both("a directory's marker", "{v1}/sw-list/marked/", GET().gives(200, listing("inside"))),
    *both("an empty container's listing", "{v1}/sw-empty/", GET().gives(200, listing("</table>"))),
    *both(
        "a listing with CSS", "{v1}/sw-css/", GET().gives(200, listing("a &lt;b&gt; site/", 'href="style/list.css"'))
    ),
    *both("a listing with CSS below", "{v1}/sw-css/dir/", GET().gives(200, listing("site/dir/", 'href="../style/'))),
    *both("a listing with CSS far below", "{v1}/sw-css/dir/sub/", GET().gives(200, listing('href="../../style/'))),
    *both("a listing with CSS of another site", "{v1}/sw-css-url/dir/", GET().gives(200, listing("/a%20b.css"))),
    *both(
        "a listing with CSS of the root", "{v1}/sw-css-root/dir/", GET().gives(200, listing("/css/%22quoted%22.css"))
    ),
    *both("evil names", "{v1}/sw-evil/", GET().gives(200, listing("&quot;&gt;&lt;script&gt;", 'href="./a%22%3E%3C'))),
    *both("an evil prefix", "{v1}/sw-evil/a%22%3E%3Cscript%3Ealert(1)%3C/", GET().gives(200, listing("./script%3E"))),
    *both("a scheme as a name", "{v1}/sw-evil/dir/", GET().gives(200, listing('"./javascript%3Aalert%281%29"'))),
    *both("a listing that nobody may see", "{v1}/sw-error/", GET().gives(401, "401oops.html")),
    *both("a missing object's page", "{v1}/sw-error/none", GET().gives(404, "404oops.html")),
    *both("a closed container's page", "{v1}/sw-closed/", GET().gives(401)),
    *both("a closed container's object", "{v1}/sw-closed/x", GET().gives(401)),
    *both("a private container", "{v1}/sw-private/", GET().gives(401)),
    *both("a private container, no slash", "{v1}/sw-private", GET().gives(401)),
    *both("a private object", "{v1}/sw-private/x", GET().gives(401)),
    *both("a missing private object", "{v1}/sw-private/y", GET().gives(401)),
    *both("listings that are off", "{v1}/sw-off/", GET().gives(404, listing("Disabled", "&lt;i&gt;&quot;x&quot;"))),
    *both("listings that are off, below", "{v1}/sw-off/dir/", GET().gives(404, listing("../s.css", "Disabled"))),
    *both("a marker of its own type", "{v1}/sw-dirs/marked", GET().gives(301)),
    *both("a marker with nothing below", "{v1}/sw-dirs/alone", GET().gives(404)),
    *both("a marker with nothing below, slash", "{v1}/sw-dirs/alone/", GET().gives(404)),
    *both("an object of that type", "{v1}/sw-dirs/full", GET().gives(200, "too long")),
    *both("a usual marker where another is set", "{v1}/sw-dirs/usual", GET().gives(200, b"")),
    *both("beyond ASCII: index", "{v1}/sw-%C3%A9/%C3%A4/", GET().gives(200, "%C3%B6")),
    *both("beyond ASCII: redirect", "{v1}/sw-%C3%A9/%C3%A9", GET().gives(301)),
    *both(
        "beyond ASCII: listing", "{v1}/sw-%C3%A9/%C3%A9/", GET().gives(200, listing("sw-\u00e9/\u00e9/", "./%C3%BC"))
    ),
    *both("beyond ASCII: error", "{v1}/sw-%C3%A9/none", GET().gives(404, "missing")),
    *both("bad UTF-8", "{v1}/sw-list/%FF", GET().gives(412, "Invalid UTF8 or contains NULL")),
    *both("bad UTF-8 with a slash", "{v1}/sw-list/%FF/", GET().gives(412, "Invalid UTF8 or contains NULL")),
    *both("a missing container", "{v1}/sw-none/", GET().gives(401)),
    *both("a missing container's object", "{v1}/sw-none/x", GET().gives(401)),
    case("an account", *anonymous(GET("{v1}").gives(401), GET("{v1}/").gives(401))),
    case("query of a listing is ignored", *anonymous(GET("{v1}/sw-list/?format=json&limit=1").gives(200, PAGE))),
    case("a range", *anonymous(GET("{v1}/sw-index/", Range="bytes=0-2").gives(206, "ind"))),
    case("a range of a listing", *anonymous(GET("{v1}/sw-list/", Range="bytes=0-2").gives(200, PAGE))),
    case("a range that cannot be", *anonymous(GET("{v1}/sw-index/", Range="bytes=99-").gives(416))),
    case(
        "conditions",
        *anonymous(
            GET("{v1}/sw-index/", If_None_Match="*").gives(304),
            GET("{v1}/sw-index/", If_Match="nothing").gives(412, b""),
            GET("{v1}/sw-index/dir", If_None_Match="*").gives(301),
            GET("{v1}/sw-index/bare", If_None_Match="*").gives(304),
            GET("{v1}/sw-list/", If_None_Match="*").gives(200, PAGE),
        ),
    ),
    case(
        "with a token",
        GET("{v1}/sw-index/").gives(200, re.compile(b"bare\n.*", re.DOTALL)),
        GET("{v1}/sw-index/dir").gives(404),
        GET("{v1}/sw-both/none").gives(404),
    ),
    case(
        "with a token and X-Web-Mode",
        GET("{v1}/sw-index/", X_Web_Mode="true").gives(200, "index.html"),
        GET("{v1}/sw-index", X_Web_Mode="true").gives(301),
        GET("{v1}/sw-list/", X_Web_Mode="on").gives(200, PAGE),
        GET("{v1}/sw-private/", X_Web_Mode="TRUE").gives(404, PAGE),
        GET("{v1}/sw-plain/", X_Web_Mode="true").gives(404),
        HEAD("{v1}/sw-plain/", X_Web_Mode="true").gives(404),
        GET("{v1}/sw-plain/one", X_Web_Mode="true").gives(200, "one"),
        GET("{v1}/sw-none/", X_Web_Mode="true").gives(404),
        GET("{v1}/sw-index/", X_Web_Mode="no").gives(200, re.compile(b"bare\n.*", re.DOTALL)),
        by({"X-Auth-Token": "{guest}"}, GET("{v1}/sw-list/", X_Web_Mode="1")).gives(200, PAGE),
        by({"X-Auth-Token": "{guest}"}, GET("{v1}/sw-private/", X_Web_Mode="1")).gives(403),
    ),
    case(
        "other methods",
        *anonymous(
            PUT("{v1}/sw-index/dir", "x").gives(401),
            POST("{v1}/sw-index/dir/").gives(401),
            DELETE("{v1}/sw-index/dir/").gives(401),
            request("OPTIONS", "{v1}/sw-index/").gives(200, b""),
        ),
    ),
    case(
        "metadata that changes",
        PUT("{own}", X_Container_Read=".r:*,.rlistings"),
        PUT("{own}/dir/x", "x"),
        *anonymous(GET("{own}/dir/").gives(404)),
        POST("{own}", X_Container_Meta_Web_Listings="true").gives(204),
        *anonymous(GET("{own}/dir/").gives(200, PAGE)),
        POST("{own}", X_Remove_Container_Meta_Web_Listings="x").gives(204),
        *anonymous(GET("{own}/dir/").gives(404)),
    ),
    case(
        "an origin",
        POST("{v1}/sw-list", X_Container_Meta_Access_Control_Allow_Origin="http://a.example").gives(204),
        *anonymous(
            GET("{v1}/sw-list/a", Origin="http://a.example").gives(200, "a", Access_Control_Allow_Origin=ANY),
            GET("{v1}/sw-list/", Origin="http://a.example").gives(200, PAGE),
            GET("{v1}/sw-list/dir", Origin="http://a.example").gives(301),
            GET("{v1}/sw-list/none", Origin="http://a.example").gives(404),
        ),
    ),
]
