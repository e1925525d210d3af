"""staticweb for readers whom a temporary URL with a prefix has let in (formats.md 7.18, 7.20)."""

from __future__ import annotations

import hashlib
import hmac
import re

from functional.object_cases.notation import GET, HEAD, NOBODY, POST, PUT, by, case

KEY, EXPIRES, SITE = "signed-site", 4102444800, "/v1/AUTH_test/signed-site"


def signed(path: str, prefix: str, method: str = "GET") -> str:
    """A URL below a prefix of the site, with the signature for all of it."""
    text = f"{method}\n{EXPIRES}\nprefix:{SITE}/{prefix}"
    signature = hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest()
    return f"{SITE}/{path}?temp_url_sig={signature}&temp_url_expires={EXPIRES}&temp_url_prefix={prefix}"


def page(*parts: str) -> re.Pattern[bytes]:
    return re.compile(b".*" + b".*".join(re.escape(part.encode()) for part in parts) + b".*", re.DOTALL)


LINK = "?temp_url_prefix=dir/&amp;temp_url_expires=4102444800&amp;temp_url_sig="
SETUP = [
    PUT(SITE, more={"X-Container-Meta-Temp-URL-Key": KEY, "X-Container-Meta-Web-Listings": "true"}),
    *(PUT(f"{SITE}/{name}", "x", Content_Type="text/plain") for name in ("top", "dir/a", "dir/sub/b", "indexed/index")),
    POST(SITE, X_Container_Meta_Web_Error="error"),
]
CASES = (
    case("a listing", by(NOBODY, GET(signed("dir/", "dir/"))).gives(200, page(f"./sub/{LINK}", f"./a{LINK}"))),
    case("HEAD of a listing", by(NOBODY, HEAD(signed("dir/", "dir/"))).gives(200)),
    case("a listing below", by(NOBODY, GET(signed("dir/sub/", "dir/"))).gives(200, page(f"../{LINK}", f"./b{LINK}"))),
    case("inline", by(NOBODY, GET(signed("dir/", "dir/") + "&inline")).gives(200, page("&amp;inline"))),
    case("an object", by(NOBODY, GET(signed("dir/a", "dir/"))).gives(200, "x")),
    case("no slash", by(NOBODY, GET(signed("dir/sub", "dir/"))).gives(301, Location=re.compile("[^?]*/dir/sub/"))),
    case("the whole container", by(NOBODY, GET(signed("", ""))).gives(200, page("./dir/?temp_url_prefix=&amp;", "./top?"))),
    case("missing", by(NOBODY, GET(signed("dir/none", "dir/"))).gives(404)),
    case("above the prefix", by(NOBODY, GET(signed("", "dir/"))).gives(401, re.compile(b".*", re.DOTALL))),
    case("beside the prefix", by(NOBODY, GET(signed("indexed/", "dir/"))).gives(401, re.compile(b".*", re.DOTALL))),
)  # fmt: skip
