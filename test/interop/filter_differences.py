"""Where swiftlite's filters answer otherwise than OpenStack Swift's on purpose."""

from __future__ import annotations

from interop.known_differences import Difference

TEMPORARY_URLS = (
    Difference(
        "Dates after the year 9999",
        "`Expires` of a temporary URL that is good for longer is the last second of the year 9999.",
        "It is a date with a year of five digits.",
        "No browser reads that.",
        ("tempurl/beyond all dates: GET 200 expires",),
    ),
    Difference(
        "Temporary URLs for addresses, on static web sites",
        "Links of a listing that was opened with `temp_url_ip_range` have that, too.",
        "They lack it, and lead nowhere.",
        "The signature covers the range.",
    ),
    Difference(
        "Empty keys",
        "Are none.",
        "Sign like others.",
        "Everybody knows them.",
    ),
    Difference(
        "IPv4 clients of a proxy that listens on `::`",
        "Are found in ranges of IPv4 addresses.",
        "Are in no such range.",
        "The address is the same.",
    ),
)
FORMS = (
    Difference(
        "Why a file was refused",
        "The answer to a form whose file was refused says why.",
        "It repeats the status.",
        "The reason is lost there by mistake: what refuses a file has given it.",
        (
            *(
                f"formpost/{case}: POST 4?? {facet}"
                for case in (
                    "a name of the reserved",
                    "a long name",
                    "x_delete_at is past",
                    "content-type for large objects",
                )
                for facet in ("body", "content-length")
            ),
        ),
    ),
    Difference(
        "Forms that break off",
        "400, and the file at hand is not stored; nor is one whose content has a line that begins with the boundary and goes on.",
        "What has come is stored as the whole file, and such a line ends a file. A broken-off form without files has none to process.",
        "A torn file that looks whole is the worst that can become of an upload.",
        ("formpost/ends in *", "formpost/a boundary that goes on: *"),
    ),
    Difference(
        "Limits of forms",
        "8 KiB of headers a part, 1000 fields that are no files, 256 bytes of a boundary; more is 400. A blank before the first boundary is an error, too.",
        "There are none, and all of it is kept in memory.",
        "Anybody may send a form; memory is for those who may store something.",
        ("formpost/a long head: *",),
    ),
    Difference(
        "Fields that no header can hold",
        "400 for a content type with control characters, or that is no UTF-8.",
        "500 or 503.",
        "Bad input is the client's fault, and a line end must never begin another header.",
        ("formpost/a field is no UTF-8: *", "formpost/line ends in a type: *"),
    ),
    Difference(
        "Redirects that nobody has signed",
        "A form is only redirected where its signature is good.",
        "A form without files, or with too many, is redirected whatever it says.",
        "A trusted host would send browsers anywhere.",
        ("formpost/not signed: *",),
    ),
    Difference(
        "What a redirect may hold",
        "Characters that no URL has are percent-encoded in `Location` and in the page; a path gets this host in front.",
        "They are sent as they are: quotes end the link of the page, line ends are blanks in the header.",
        "Whoever signs forms need not know all that a browser would run.",
        ("formpost/line ends: POST 303 *", "formpost/quotes: POST 303 *", "formpost/a path: POST 303 location"),
    ),
)
SUBJECTS: dict[str, tuple[Difference, ...]] = {
    "bulk": (
        Difference(
            "an archive that is damaged in its midst",
            "`400 Bad Request`, `Invalid Tar File: …`; what came before the damage is stored and counted",
            "takes the damage for the archive's end, and answers `201 Created`",
            "a client that is told 201 deletes what it has sent",
            ("bulk/upload damaged gz: PUT 200 body", "bulk/upload cut short in a *: PUT 200 body"),
        ),
        Difference(
            "archives of many streams",
            "a gzip or bzip2 file of several streams, as pigz and pbzip2 write them, is read to its end",
            "the archive ends with the first: `400 Bad Request`, or `201 Created` where that may be its end",
            "it is one archive to every tar",
            ("bulk/upload two streams of *: PUT 200 body",),
        ),
        Difference(
            "what describes a file of an archive",
            "more than 1 MiB of it (64 KiB for all files together) make a bad archive, and so does what inflates to more "
            "than a hundred times what was sent without being stored, beyond 64 MiB",
            "all of it is kept in memory",
            "a few kilobytes from a client could fill the memory of a proxy, or keep it busy for minutes",
        ),
        Difference(
            "extended attributes that cannot be headers",
            "the file is an error of 400, the others are stored",
            "the file is an error of 503, and of one that is no text the whole request ends with 500",
            "the file is what is wrong; objects may have metadata of any bytes",
            (
                "bulk/upload an attribute with a line end: PUT 200 body",
                "bulk/upload an attribute that is no text: PUT 200 body",
                "bulk/upload an attribute that is no text: HEAD status",
            ),
        ),
        Difference(
            "who a bulk request comes from",
            "`X-Storage-Token` and `X-Service-Token` go with each request that comes of it, leave that was given for the bulk "
            "request alone (by container sync) does not",
            "the other way round: only `X-Auth-Token` does, and the leave",
            "a client may do by a bulk request what it may do by one after the other, no less and no more",
        ),
        Difference(
            "long lines in a list of names",
            "a line may have as many bytes as the longest name can take, percent-encoded",
            "about 2,500 bytes, so that long names of other than Latin letters cannot be deleted",
            "every object can be deleted",
            ("bulk/delete a long name in another alphabet: POST 200 body",),
        ),
        Difference(
            "a client of a bulk request that waits",
            "gets a blank every `yield_frequency` seconds, whatever takes so long",
            "gets one between two objects, so none while a large one is stored",
            "its connection is kept alive for as long as there is work",
        ),
    ),
    "every answer": (
        Difference(
            "Retry-After",
            "every 429 and 503 has `Retry-After: 5` (`retry_after` of catch_errors)",
            "none has it",
            "clients that read it know how long to wait",
        ),
        Difference(
            "a HEAD that cannot be understood",
            "400 and the like without a body",
            "with one",
            "an answer to HEAD has none (RFC 9110 9.3.2)",
        ),
    ),
    "Forms": FORMS,
    "Temporary URLs": TEMPORARY_URLS,
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
                "together/quoted ETags everywhere: PUT 422 last-modified",
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
            "Indexes that lead to what the reader may not see",
            "401 where the index is a link or a dynamic large object, 409 where it is a static one; as for any object.",
            "500.",
            "Whoever made the site has made no error of the server.",
            ("together/site: hidden segments: GET status", "together/site: links: GET status"),
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
