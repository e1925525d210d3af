"""Where swiftlite answers object requests otherwise than OpenStack Swift on purpose."""

from __future__ import annotations

from interop.known_differences import Difference

SUBJECTS: dict[str, tuple[Difference, ...]] = {
    "Logging in": (
        Difference(
            "The path `/`",
            "300, with the versions of the built-in identity (doc/identity.md), where the pipeline has that filter.",
            "404.",
            "Clients of Keystone ask there which versions there are.",
            ("paths/no path: GET *",),
        ),
    ),
    "Conditions": (
        Difference(
            "Order of conditions",
            "`If-Match`, without it `If-Unmodified-Since`, decides on 412; then `If-None-Match`, without it "
            "`If-Modified-Since`, on 304.",
            "All four are looked at, `If-None-Match` first: a request can get 304 although its `If-Match` fails, and "
            "a date can overrule an ETag.",
            "RFC 9110 13.2.2 gives this order, so that the more exact condition wins.",
            (
                "conditions/both matches, first fails: *",
                "conditions/If-Match true, unmodified false: *",
                "conditions/If-None-Match false, modified false: *",
                "conditions/both dates false: *",
            ),
        ),
        Difference(
            "Weak ETags in If-None-Match",
            '`If-None-Match: W/"<etag>"` matches the object with that ETag.',
            "It matches nothing.",
            "RFC 9110 13.1.2 compares weakly here; proxies that compress weaken ETags.",
            ("conditions/If-None-Match weak: *",),
        ),
        Difference(
            "Accept-Ranges with conditions",
            "Every answer to a GET or HEAD of an object has `Accept-Ranges: bytes`.",
            "Not those of failed conditions, nor of a DLO with any condition.",
            "The header tells of the object, whatever the answer.",
            (
                "*: * 412 accept-ranges",
                "large/DLO If-Match: GET 200 accept-ranges",
                "large/DLO range if *: GET 206 accept-ranges",
            ),
        ),
        Difference(
            "`If-Match: *` where nothing is",
            "412 with the standard body.",
            "412 with an empty body.",
            "An error says what is wrong.",
            ("conditions/missing: If-Match any: GET 412 body",),
        ),
        Difference(
            "Conditional PUT, POST and DELETE",
            "`If-Match` and `If-None-Match` with ETags or `*` are honoured: 412, and nothing is changed, where the "
            "object is not as told (compare and swap).",
            "PUT knows only `If-None-Match: *`, other values are 400, and `If-Match` is ignored; POST and DELETE ignore "
            "both.",
            "Without it two clients that change the same object lose one change. A client that sends these headers "
            "means them.",
            (
                "conditions/PUT If-Match of *: *",
                "conditions/PUT If-None-Match of *: *",
                "conditions/POST If-*: *",
                "conditions/DELETE If-*: *",
            ),
        ),
    ),
    "Ranges": (
        Difference(
            "The type of a 416",
            "`Content-Type: text/html`, which its body is.",
            "The object's content type.",
            "A body of HTML that is called an image misleads whoever shows it.",
            ("*: * 416 content-type",),
        ),
        Difference(
            "A plus in a range",
            "`Range: bytes=+1-2` is no range, so it is ignored.",
            "It is read as 1-2.",
            "RFC 9110 14.1.1: positions are digits.",
            ("ranges/ignored bytes=+1-2: *",),
        ),
    ),
    "Uploads": (
        Difference(
            "Last-Modified on 422",
            "A PUT refused for its ETag has no `Last-Modified`.",
            "It has one, of the time of the request.",
            "Nothing was stored at that time.",
            ("*: * 422 last-modified",),
        ),
        Difference(
            "Bytes in a posted content type",
            "A POST whose `Content-Type` is no UTF-8 is 400, as is a PUT.",
            "Only PUT refuses it.",
            "A listing in JSON could not tell of the object any more.",
            ("post/type of other bytes: *",),
        ),
    ),
    "Malformed HTTP": (
        Difference(
            "What is wrong is said",
            "A request that cannot be read as HTTP gets 400 with a sentence in `text/plain`, and `Date`.",
            "400 with an empty body and neither.",
            "A client's author learns what to correct.",
            (
                "put/length empty: PUT 400 *",
                "put/length negative: PUT 400 *",
                "put/length a word: PUT 400 *",
                "put/length a fraction: PUT 400 *",
                "put/header of 9000 bytes: PUT 400 *",
            ),
        ),
        Difference(
            "Content-Length is read strictly",
            "A length with a plus, two of them, even if equal, one beside `Transfer-Encoding`, or one of more digits than "
            "a file can have is 400.",
            "The first or the chunked body wins; the enormous one is 413.",
            "RFC 9112 6.3: where two servers read a length differently, one request can be smuggled inside another.",
            (
                "put/length with a plus: *",
                "put/length twice, *: *",
                "put/length and chunks: *",
                "put/length enormous: *",
            ),
        ),
        Difference(
            "Folded headers, blanks before the colon",
            "400.",
            "They are taken.",
            "RFC 9112 5.1 and 5.2 have servers refuse both, for the reason above.",
            ("put/folded header: *", "put/header name with a blank: *"),
        ),
        Difference(
            "Transfer-Encoding",
            "`chunked` in any case; anything else is 501.",
            "`CHUNKED` is 411; `gzip` is 400, `gzip, chunked` 501 with other words.",
            "RFC 9112 7: names of codings have no case, and what a server does not understand is 501.",
            ("put/encoding *: *",),
        ),
        Difference(
            "Malformed chunks",
            "400.",
            "499, as if the client had gone.",
            "It is there, waiting for an answer.",
            ("put/chunk bad: *", "put/chunk negative: *"),
        ),
        Difference(
            "Too many headers",
            "More than 126 (with `max_meta_count` and `extra_header_count` as they are) are 400.",
            "More than 126 that concern Swift are 400, and more than 100 and some of any kind 431 with a page of Python's.",
            "One limit, said by the server itself.",
            ("put/200 headers: *",),
        ),
    ),
    "Copies and links": (
        Difference(
            "Bytes in the name of a copy's source or destination",
            "412, as for a path.",
            "500.",
            "Bad input is the client's fault, and told so.",
            ("copy/source of bad UTF-8: *", "copy/destination of bad UTF-8: *"),
        ),
        Difference(
            "The type of one refusal",
            "`X-Symlink-Target` with a slash in front is 412 in `text/html`, as any other bad form of it.",
            "The same words in `text/plain`.",
            "The forms are checked in one place.",
            ("links/bad: a slash before: PUT 412 content-type",),
        ),
    ),
    "Versions": (
        Difference(
            "A versioned PUT whose condition fails",
            "412, and nothing is stored.",
            "412 with the ETag and id of a version that it has stored, though it is not the current one.",
            "A refused request must leave nothing behind.",
            ("version_ids/PUT if new: *",),
        ),
        Difference(
            "Conditions of writes of versioned objects",
            "`If-Match` and `If-None-Match` mean the ETag of the current version, which GET shows.",
            "There are none.",
            "As for other objects.",
            ("version_ids/if it matches: *",),
        ),
        Difference(
            "The guessed type of a versioned object",
            "Is that of its own name.",
            "Is that of the hidden name of its version, so always `application/octet-stream`.",
            "Versioning must not change what a browser makes of a file.",
            ("version_ids/guessed type: *",),
        ),
        Difference(
            "Versions of a container whose name is too long for a hidden one beside it",
            "400 with the reason.",
            "500.",
            "Bad input is the client's fault, and told so.",
            ("version_ids/a long name: *",),
        ),
        Difference(
            "Versioned containers of others",
            "Who may not change or delete a container is told so before anything is done.",
            "A DELETE first looks for versions, and can answer 409 to a stranger.",
            "Nobody learns of, or changes, what is not theirs.",
            ("version_ids/* by a stranger: *",),
        ),
    ),
    "Scripts of other sites": (
        Difference(
            "The type of a preflight's answer",
            "`Content-Type: text/html; charset=UTF-8`, as every answer without a body of its own.",
            "None.",
            "One way to answer; browsers do not look at it.",
            ("cors/preflight*: OPTIONS 200 content-type",),
        ),
    ),
    "Large objects": (
        Difference(
            "The list of bad segments",
            "Has a `Content-Length`; the segments stand in the manifest's order.",
            "Comes in chunks; the segments are sorted by their errors.",
            "The order that the client knows. Both end the words with the same lines.",
            (
                "large/SLO bad: *: PUT 400 content-length",
                "access/SLO made of forbidden segments: PUT 400 content-length",
                "large/SLO bad: several: PUT 400 body",
                "large/SLO bad: errors as JSON: PUT 400 body",
            ),
        ),
        Difference(
            "The words of a heartbeat's error",
            "`Response Body` has our standard text of the status.",
            "It has theirs.",
            "As for every standard body.",
            ("large/SLO put, heartbeat, bad: PUT 202 body",),
        ),
        Difference(
            "Odd lines of a manifest",
            "An item that is `null`, has neither `path` nor `data`, or an infinite `size_bytes`, is 400 and says which.",
            "500.",
            "Bad input is the client's fault, and told so.",
            ("large/SLO bad: path missing: *", "large/SLO bad: item null: *", "large/SLO bad: size infinite: *"),
        ),
        Difference(
            "A segment lost after the answer has begun",
            "The connection ends short.",
            "The connection ends short too, but where nothing was sent yet, as of a small segment, the client gets "
            "500 with a Python traceback.",
            "A client never sees our source.",
            ("large/SLO later segment missing: *",),
        ),
        Difference(
            "A posted X-Object-Manifest that names no prefix",
            "It means all of the container; 404 where there is none of the name.",
            "500.",
            "POST takes it unchecked on both sides.",
            ("large/DLO posted, *: *",),
        ),
        Difference(
            "Conditions of writes",
            "`If-Match` and `If-None-Match` of PUT, POST and DELETE mean the ETag of the large object where it is static, of "
            "the manifest where it is dynamic; a deletion with all segments is 412 before any goes.",
            "They are ignored; a deletion with all segments reports that it cannot load the manifest.",
            "As for other objects.",
            ("large/SLO * if it matches: *",),
        ),
        Difference(
            "HEAD of a raw manifest",
            "200.",
            "500.",
            "As GET.",
            ("large/SLO manifest raw head: *",),
        ),
        Difference(
            "HEAD of a part with a condition that fails",
            "412 that says nothing of the part.",
            "It has `Content-Range` and `X-Parts-Count`.",
            "There is no part in the answer.",
            ("large/SLO part head unmet: *",),
        ),
    ),
    "What no single request shows": (
        Difference(
            "A damaged object is never finished",
            "A GET that finds its object's bytes not to be those of the ETag ends short.",
            "It ends as if all were well; a client that compares MD5s notices.",
            "A success that looks complete must be complete.",
        ),
        Difference(
            "X-Newest",
            "All nodes are asked at once, and the download goes on from another replica when its node dies.",
            "The nodes are asked one after the other unless `concurrent_gets` is set; the download ends short.",
            "The slowest node, not the sum of all, decides how long it takes; and a replica with the same ETag and "
            "timestamp is as good.",
        ),
        Difference(
            "412 and 416 of one replica",
            "Are the answer.",
            "For 412 the other nodes are asked too.",
            "A condition that does not hold of the replica that would be sent does not hold of the answer.",
        ),
        Difference(
            "Tokens stay at the proxy",
            "Object servers get `X-Auth-Token: hidden`.",
            "They get the client's token.",
            "What they log or leak cannot be used.",
        ),
        Difference(
            "keep_cache_private",
            "Private bodies of at most 64 KiB stay in the page cache whatever the option says.",
            "With `keep_cache_private = false` all are dropped from it.",
            "To drop a small one and read it again costs more than its page.",
        ),
        Difference(
            "Metadata that no extended attribute holds",
            "507 that says how many bytes were too many.",
            "503.",
            "On ext4 about 4 KiB of names and metadata fit; trying again does not help.",
        ),
        Difference(
            "A PUT that is repeated",
            "201 from an object server that has stored the very same already (timestamp and ETag).",
            "409, which the client hears as 202.",
            "The proxy repeats a request whose connection died; the client is to learn of its success.",
        ),
        Difference(
            "What a copy does not inherit",
            "A copy of a link or manifest never inherits the marks that let it reach reserved names or read unchecked.",
            "All system metadata are copied.",
            "With them a client could make a link of his own that is followed without asking who may read its target.",
        ),
        Difference(
            "A part of a static large object, copied",
            "Is an object like any other: `If-Match` knows its ETag, and listings of old versions its bytes.",
            "Keeps the large object's ETag for conditions and its size for such listings.",
            "It is not the large object.",
        ),
        Difference(
            "The target of a static link in a container with versions",
            "The client is asked whether he may read it.",
            "The link is checked with the rights of versioning.",
            "Its ETag is told in the answer.",
        ),
        Difference(
            "Switching versions on",
            "The client is asked first, then the hidden container is made; an unknown or deprecated policy of a new container "
            "is 400.",
            "The hidden container is made first; such a policy is 500.",
            "A refused request must leave nothing behind.",
        ),
        Difference(
            "Links that cannot be followed",
            "A static link to too long a chain is 409; its `Content-Location` is percent-encoded.",
            "500; the name stands there as it was sent.",
            "Bad input is the client's fault, and no name may end a header.",
        ),
        Difference(
            "A nested manifest that was overwritten",
            "409, or a transfer that ends short.",
            "What it lists now is sent.",
            "The outer manifest says which one was meant.",
        ),
        Difference(
            "MD5 of segments",
            "Is held against the ETag by the object server that sends a whole one, not again by the proxy; of damage in a "
            "segment that an object server of OpenStack Swift sends our proxy notices nothing.",
            "The proxy computes it.",
            "Twice the work for what is checked already.",
        ),
        Difference(
            "Old versions that cannot be listed",
            "A DELETE that is to bring the last version back is 503.",
            "500.",
            "Trying again may help.",
        ),
        Difference(
            "Row updates",
            "One `container_update_timeout` for all that a change has to tell; a spooled update names the servers that know "
            "already (`told`, which OpenStack Swift's updater ignores).",
            "One for each update; all servers are told again.",
            "A slow container server costs each change only once, and the spool empties sooner.",
        ),
        Difference(
            "A storage server that is back",
            "A proxy that shuns a server which was down asks it `OPTIONS /` every second, and uses it again once it answers.",
            "It is shunned for `error_suppression_interval`, a minute, after its last error.",
            "Until then new objects lie on handoffs in its place, and the next node that restarts may have those.",
        ),
        Difference(
            "A DELETE or POST of what some servers have never got",
            "A 404 counts only of a server that could know. DELETE is 204 when one server had the object and a quorum has its "
            "tombstone, unless another knows of a newer deletion. POST asks all other nodes, also those shunned for their "
            "errors, for replicas before it is 503; it is 503, too, where only handoffs that stand in, and no quorum of "
            "primaries, say that there is no object, and 404 where a deletion is newer than what some replica still has. Both ask "
            "shunned primaries before they say 404 for handoffs.",
            "A quorum of 404s wins over a 204, and over everything where no server says 202, whoever says it; POST asks as "
            "many handoffs as primaries said 404, and a replica that missed a DELETE makes it 503.",
            "While storage nodes restart one after the other, clients change and delete what they have put a second ago. Object "
            "servers tell in `X-Backend-Found` when what they had was put or deleted.",
        ),
        Difference(
            "A replica that missed the POST that took an expiry away",
            "Does not hide the object: a newer POST of another replica counts.",
            "Its 404 counts as a tombstone of the time of its last POST.",
            "An acknowledged POST must not be undone by a server that slept through it.",
        ),
        Difference(
            "An expired object that is overwritten",
            "Loses its row in the expirer's queue at once.",
            "The expirer finds out by a 409.",
            "The queue holds what is to be done.",
        ),
    ),
}
