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
}
