"""Where swiftlite's filters answer otherwise than OpenStack Swift's on purpose."""

from __future__ import annotations

from interop.known_differences import Difference

SUBJECTS: dict[str, tuple[Difference, ...]] = {
    "bulk": (
        Difference(
            "an archive that is damaged in its midst",
            "`400 Bad Request`, `Invalid Tar File: …`; what came before the damage is stored and counted",
            "takes the damage for the archive's end, and answers `201 Created`",
            "a client that is told 201 deletes what it has sent",
            ("bulk/upload damaged gz: PUT 200 body", "bulk/upload cut short in a *: PUT 200 body"),
        ),
    ),
    "domain_remap and cname_lookup": (
        Difference(
            "Host headers that are none",
            "400, whatever is below a storage domain but no name of a host: user names, blanks, slashes, escapes, empty "
            "labels, ports that are no numbers.",
            "They become names of accounts and containers as they are.",
            "No client sends one that means well, and what is left and right of the proxy may read it otherwise.",
            ("domain_remap/attack, malformed: *: GET *", "domain_remap/attack, bad: *: GET *"),
        ),
        Difference(
            "IPv6 addresses",
            "Are left alone, as IPv4 ones are.",
            "Are looked up in DNS without their port, which fails: 400.",
            "A client that comes by address means no customer's name.",
            ("domain_remap/attack, left alone: [[]::1]*: GET status",),
        ),
        Difference(
            "Prefixes without an account",
            "`auth.example.com` is left alone: there is no account of the prefix `AUTH_` in it.",
            "Is the account `AUTH`, which has another reseller prefix, or none.",
            "Only accounts of the prefixes that the conf names can be reached by host names.",
            (
                "domain_remap/attack, left alone: auth.store.example: GET status",
                "domain_remap/attack, left alone: auth[-_].store.example: GET status",
                "domain_remap/attack, left alone: AUTH.store.example: GET status",
            ),
        ),
        Difference(
            "Domains in capitals, or with their last dot",
            "Are the storage domain, too; names with the dot are left alone.",
            "Are another domain: a CNAME of it is looked for, and 400 without one.",
            "Host names have no case, and the dot only says that nothing follows.",
            (
                "domain_remap/any case: *: GET status",
                "domain_remap/attack, left alone: auth-test.store.example.: GET status",
            ),
        ),
    ),
    "etag_quoter": (
        Difference(
            "Answers about objects",
            "As in the tables of objects: `Accept-Ranges` with every answer, a 416 that is called HTML, a 422 that names "
            "no date.",
            "Otherwise.",
            "The filter changes nothing but the ETag.",
            (
                "etag_quoter/a container: GET 412 accept-ranges",
                "etag_quoter/a container: GET 416 content-type",
                "etag_quoter/a container: PUT 422 last-modified",
            ),
        ),
    ),
    "list_endpoints": (
        Difference(
            "Names that are no UTF-8",
            "412, as everywhere else.",
            "The place of another name, with U+FFFD for what is none.",
            "Nothing can be stored under such a name.",
            ("list_endpoints/bad UTF-8: GET status",),
        ),
        Difference(
            "A slash at the end of an account or container",
            "Is ignored, as in the API's paths.",
            "Asks for the container, or object, whose name is empty.",
            "Nothing has such a name.",
            ("list_endpoints/a trailing slash: GET 200 *",),
        ),
    ),
    "staticweb": (
        Difference(
            "HEAD of error pages",
            "The status and the headers of the site's error page, without its body.",
            "500: the body is sent, and the server's own check finds it too long.",
            "A HEAD of a missing page is no error of the server.",
            ("staticweb/HEAD *page*: HEAD status", "staticweb/HEAD *nobody may see: HEAD status"),
        ),
        Difference(
            "Content-Length of HEADs",
            "That of the GET's body: of a listing with its built-in style, or of the few words of a redirect.",
            "The same, but styles and words are others, and a redirect has 0.",
            "Styles and words are every implementation's own; RFC 9110 9.3.2 wants the headers of the GET.",
            ("staticweb*/HEAD *: HEAD 200 content-length", "staticweb/HEAD *: HEAD 301 content-length"),
        ),
        Difference(
            "The page that says that nothing is listed",
            "Names the index with its HTML escaped.",
            "Puts the index into the page as it is, so that whoever may write a container's metadata can have scripts "
            "run.",
            "Nothing that users name may be read as HTML. The words of the page are its own.",
            (
                "staticweb/GET a directory without an index: GET 404 body",
                "staticweb/GET what is not there, with a slash: GET 404 body",
                "staticweb/GET listings that are off*: GET 404 body",
                "staticweb/with a token and X-Web-Mode: GET 404 body",
            ),
        ),
        Difference(
            "Error pages whose name is not ASCII",
            "Are found.",
            "Are looked for under a name that is encoded twice.",
            "Index pages of such a name are found, too.",
            ("staticweb/* beyond ASCII: error: *",),
        ),
        Difference(
            "Answers about objects",
            "As in the tables of objects: `Accept-Ranges` with every answer, a 416 that is called HTML.",
            "Otherwise.",
            "The filter hands on what it gets.",
            ("staticweb/conditions: GET 412 accept-ranges", "staticweb/a range that cannot be: GET 416 content-type"),
        ),
    ),
}
CONFS: dict[str, tuple[Difference, ...]] = {
    "CORS": (
        Difference(
            "The type of a preflight's answer",
            "`Content-Type: text/html; charset=UTF-8`, as every answer without a body of its own.",
            "None.",
            "As in the tables of objects.",
            ("cors/*: OPTIONS 200 content-type",),
        ),
    ),
}
"""The same for the tables of filter_conf_cases."""
