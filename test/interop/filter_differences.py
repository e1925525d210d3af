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
}
