"""bulk: archives that become objects, lists of objects that are deleted; archives are made here, the same every time."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import re
import tarfile

from functional.object_cases.notation import (
    ANY_BODY,
    DELETE,
    GET,
    GUEST,
    HEAD,
    NOBODY,
    POST,
    PUT,
    STRANGER,
    Case,
    Step,
    by,
    case,
    request,
)

SCHILY, LIBARCHIVE = "SCHILY.xattr.user.", "LIBARCHIVE.xattr.user."
XML = "application/xml"
NO_VALID_FILES = "Invalid Tar File: No Valid Files"


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, **pax: str) -> tarfile.TarInfo:
    """Return a member, with pax headers whose dots are spelled ``__``."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    info.pax_headers = {key.replace("__", "."): value for key, value in pax.items()}
    return info


def tar(*members: str | tarfile.TarInfo | tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    """Return an archive of files that hold their own names, and of members as they are given."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=format) as archive:
        for each in members:
            info, data = (
                (each, b"")
                if isinstance(each, tarfile.TarInfo)
                else each
                if isinstance(each, tuple)
                else (
                    member(each),
                    each.encode("utf-8", "surrogateescape"),
                )
            )
            info.size = info.size or len(data)
            archive.addfile(info, io.BytesIO(data) if data else None)
    return made.getvalue()


def extract(target: str, body: bytes, kind: str = "tar", **options: object) -> Step:
    """Return a PUT of an archive."""
    return PUT(f"{target}?extract-archive={kind}", body, **options)  # type: ignore[arg-type]


def extracted(status: str = "201 Created", created: int = 0, text: str = "", errors: str = "") -> str:
    """Return what plain text tells of an archive."""
    return f"Number Files Created: {created}\nResponse Body: {text}\nResponse Status: {status}\nErrors:\n{errors}"


def delete(*names: str, target: str = "{v1}?bulk-delete", **options: object) -> Step:
    """Return a POST of names to delete."""
    return request("POST", target, "\n".join(names), **options)  # type: ignore[arg-type]


def deleted(status: str = "200 OK", done: int = 0, missing: int = 0, text: str = "", errors: str = "") -> str:
    """Return what plain text tells of deletions."""
    return (
        f"Number Deleted: {done}\nNumber Not Found: {missing}\nResponse Body: {text}\nResponse Status: {status}\n"
        f"Errors:\n{errors}"
    )


def bad(status: str = "400 Bad Request", text: str = "", **more: object) -> str:
    """Return what plain text tells of an archive that failed."""
    return extracted(status, text=text, **more)  # type: ignore[arg-type]


TWO = tar("x", "d/y")
ATTRIBUTES = tar(
    (member("gnu", **{SCHILY + "mime_type": "text/gnu", SCHILY + "meta.Color": "blue", SCHILY + "other": "no"}), b"g"),
    (member("bsd.txt", **{LIBARCHIVE + "mime_type": "text/bsd", LIBARCHIVE + "meta.taste": "süß"}), b"b"),
    (member("time.txt", mtime="1.5"), b"t"),
)
ODD = tar(
    member("directory", tarfile.DIRTYPE),
    member("symbolic", tarfile.SYMTYPE),
    member("hard", tarfile.LNKTYPE),
    member("fifo", tarfile.FIFOTYPE),
    member("block", tarfile.BLKTYPE),
    member("character", tarfile.CHRTYPE),
    "file",
)
GLOBAL = tarfile.TarInfo.create_pax_global_header({SCHILY + "meta.of": "all"}) + TWO
DAMAGED = bytearray(gzip.compress(TWO, mtime=0))
DAMAGED[-30:-10] = bytes(20)

UPLOADS = (
    case(
        "into a container",
        PUT("{own}"),
        extract("{own}", TWO).gives(200, extracted(created=2), Content_Type="text/plain", Etag=None),
        GET("{own}/x").gives(200, "x", Content_Type="application/octet-stream"),
        GET("{own}/d/y").gives(200, "d/y"),
    ),
    case("into a new container", extract("{own}", TWO).gives(200, extracted(created=2)), HEAD("{own}").gives(204)),
    case("below a prefix", extract("{o}/p/", TWO).gives(200, extracted(created=2)), GET("{o}/p/d/y").gives(200, "d/y")),
    case(
        "into the account",
        extract("{v1}", tar("base", "own-bulk-account/a", "./own-bulk-account/b", "/own-bulk-account/c")).gives(
            200, extracted(created=3)
        ),
        GET("{v1}/own-bulk-account").gives(200, "a\nb\nc\n"),
    ),
    case("into the account with a slash", extract("{v1}/", tar("own-bulk-slash/a")).gives(200, extracted(created=1))),
    case("only base files", extract("{v1}", tar("base")).gives(200, bad(text=NO_VALID_FILES))),
    case("gz", extract("{o}", gzip.compress(TWO, mtime=0), "tar.gz").gives(200, extracted(created=2))),
    case("bz2", extract("{o}", bz2.compress(TWO), "tar.bz2").gives(200, extracted(created=2))),
    case("kind in capitals", extract("{o}", gzip.compress(TWO, mtime=0), ".TAR.GZ").gives(200, extracted(created=2))),
    case("chunked", extract("{o}", TWO, framing="chunked").gives(200, extracted(created=2))),
    case("no length", extract("{o}", b"", framing="none").gives(200, bad("411 Length Required"))),
    case("empty", extract("{o}", b"").gives(200, bad(text="Invalid Tar File: empty file"))),
    case("empty gz", extract("{o}", b"", "tar.gz").gives(200, bad(text="Invalid Tar File: not a gzip file"))),
    case("empty bz2", extract("{o}", b"", "tar.bz2").gives(200, bad(text="Invalid Tar File: empty file"))),
    case("no archive", extract("{o}", b"x" * 1024).gives(200, bad(text="Invalid Tar File: invalid header"))),
    case("no gz", extract("{o}", TWO, "tar.gz").gives(200, bad(text="Invalid Tar File: not a gzip file"))),
    case("no bz2", extract("{o}", TWO, "tar.bz2").gives(200, bad(text="Invalid Tar File: invalid compressed data"))),
    case("gz as tar", extract("{o}", gzip.compress(TWO, mtime=0)).gives(200, ANY_BODY)),
    case(
        "two streams of gz",
        extract("{o}", gzip.compress(TWO[:700], mtime=0) + gzip.compress(TWO[700:], mtime=0), "tar.gz").gives(
            200, extracted(created=2)
        ),
    ),
    case(
        "two streams of bz2",
        extract("{o}", bz2.compress(TWO[:700]) + bz2.compress(TWO[700:]), "tar.bz2").gives(200, extracted(created=2)),
    ),
    case(
        "an attribute with a line end",
        extract("{own}", tar((member("x", **{SCHILY + "meta.a": "b\r\nX-Evil: c"}), b"x"), "y")).gives(
            200, bad(created=1, errors="own-{slug}/x, 400 Bad Request\n")
        ),
    ),
    case(
        "an attribute that is no text",
        extract("{own}", tar((member("x", **{SCHILY + "meta.a": "b\udcff"}), b"x"))).gives(200, extracted(created=1)),
        HEAD("{own}/x").gives(200, X_Object_Meta_A="b\xff"),
    ),
    case(
        "attributes of many files",
        extract("{own}", tar((member("x", **{SCHILY + "other": "v" * 300_000}), b"x"))).gives(200, ANY_BODY),
    ),
    case(
        "too many attributes",
        extract("{own}", tar((member("x", **{f"{SCHILY}meta.k{n}": "v" for n in range(91)}), b"x"))).gives(
            200, bad(errors="own-{slug}/x, 400 Bad Request\n")
        ),
    ),
    case("unknown kind", extract("{o}", TWO, "zip").gives(400, "Unsupported archive format")),
    case("no kind", PUT("{o}?extract-archive", TWO).gives(400, "Unsupported archive format")),
    case("short", extract("{o}", TWO[:100]).gives(200, bad(text="Invalid Tar File: truncated header"))),
    case("other methods", POST("{o}?extract-archive=tar").gives(404), GET("{o}?extract-archive=tar").gives(404)),
    case("no account", extract("/v1", TWO).gives(200, bad("404 Not Found"))),
    case("no version", extract("/", TWO).gives(200, bad("404 Not Found"))),
    case("odd members", extract("{o}", ODD).gives(200, extracted(created=1)), HEAD("{o}/symbolic").gives(404)),
    case(
        "json",
        extract("{o}", TWO, Accept="application/json").gives(
            200,
            json.dumps(
                {"Response Status": "201 Created", "Response Body": "", "Number Files Created": 2, "Errors": []}
            ),
            Content_Type="application/json",
        ),
    ),
    case(
        "xml",
        extract("{o}", TWO, Accept=XML).gives(
            200,
            "<extract>\n<number_files_created>2</number_files_created>\n<response_body></response_body>\n"
            "<response_status>201 Created</response_status>\n<errors>\n</errors>\n</extract>\n",
            Content_Type=XML,
        ),
    ),
    case(
        "no format",
        extract("{o}", TWO, Accept="image/png").gives(200, bad("406 Not Acceptable")),
        HEAD("{o}/x").gives(404),
    ),
    case("bad accept", extract("{o}", TWO, Accept="nonsense").gives(200, bad("406 Not Acceptable"))),
    case(
        "the query's format is not looked at", extract("{o}", TWO, "tar&format=json").gives(200, extracted(created=2))
    ),
    case(
        "attributes",
        extract("{o}", ATTRIBUTES, X_Object_Meta_Color="red", X_Object_Meta_Of="all").gives(200, extracted(created=3)),
        HEAD("{o}/gnu").gives(
            200, Content_Type="text/gnu", X_Object_Meta_Color="blue", X_Object_Meta_Of="all", X_Object_Meta_Other=None
        ),
        HEAD("{o}/bsd.txt").gives(
            200,
            Content_Type="text/bsd",
            X_Object_Meta_Taste="süß".encode().decode("latin-1"),
            X_Object_Meta_Color="red",
        ),
        HEAD("{o}/time.txt").gives(200, Content_Type="text/plain", X_Object_Meta_Mtime=None),
    ),
    case(
        "headers for all",
        extract("{o}", TWO, X_Delete_After="1000", Content_Type="text/ours", X_Object_Manifest="c/o", Etag="x").gives(
            200, extracted(created=2)
        ),
        HEAD("{o}/x").gives(
            200, X_Delete_At=re.compile(r"\d+"), Content_Type="application/octet-stream", X_Object_Manifest=None
        ),
    ),
    case("bad expiry", extract("{o}", tar("x"), X_Delete_After="x").gives(200, ANY_BODY)),
    case(
        "attributes of all files",
        extract("{o}", GLOBAL).gives(200, extracted(created=2)),
        HEAD("{o}/x").gives(200, X_Object_Meta_Of="all"),
    ),
    case("damaged gz", extract("{o}", bytes(DAMAGED), "tar.gz").gives(200, ANY_BODY)),
    case("cut short in a file", extract("{o}", TWO[:513]).gives(200, ANY_BODY)),
    case("cut short in a header", extract("{o}", TWO[:1026]).gives(200, ANY_BODY)),
    case("without an end", extract("{o}", TWO[:1024]).gives(200, extracted(created=1))),
    case(
        "a name that is no text",
        extract("{o}", tar("a\udcff", "good", format=tarfile.GNU_FORMAT)).gives(
            200, bad(created=1, errors="{name}/a%FF, 412 Precondition Failed\n".replace("{name}", "bulk/{slug}"))
        ),
    ),
    case(
        "a long name",
        extract("{own}", tar("n" * 1100, "good")).gives(
            200, bad(created=1, errors=f"own-{{slug}}/{'n' * 1100}, 400 Bad Request\n")
        ),
    ),
    case(
        "a name in UTF-8",
        extract("{own}", tar("ä ö/ü%20")).gives(200, extracted(created=1)),
        GET("{own}").gives(200, "ä ö/ü%20\n"),
    ),
    case(
        "up and away",
        extract("{own}/p", tar("../../x", "/../y")).gives(200, extracted(created=2)),
        GET("{own}").gives(200, "p/../../x\np/../y\n"),
    ),
    case(
        "the same twice",
        extract("{own}", tar("x", "x")).gives(200, extracted(created=2)),
        GET("{own}").gives(200, "x\n"),
    ),
    case("a container that cannot be", extract("{v1}", tar(f"{'c' * 257}/x")).gives(200, ANY_BODY)),
    case("nobody", by(NOBODY, extract("{own}", TWO)).gives(200, bad("401 Unauthorized"))),
    case("a stranger", by(STRANGER, extract("{own}", TWO)).gives(200, ANY_BODY), HEAD("{own}").gives(404)),
    case(
        "a guest who may write",
        PUT("{own}", X_Container_Write="test:tester3"),
        by(GUEST, extract("{own}", TWO)).gives(200, extracted(created=2)),
    ),
    case(
        "a guest who may not",
        PUT("{own}"),
        by(GUEST, extract("{own}", tar("x"))).gives(200, ANY_BODY),
        GET("{own}").gives(204),
    ),
)

DELETIONS = (
    case(
        "objects and their container",
        extract("{own}", TWO),
        delete("/own-{slug}", "/own-{slug}/x", "own-{slug}/d%2Fy", "own-{slug}/missing").gives(
            200, deleted(done=3, missing=1), Content_Type="text/plain"
        ),
        HEAD("{own}").gives(404),
    ),
    case(
        "DELETE",
        extract("{own}", TWO),
        request("DELETE", "{v1}?bulk-delete", "own-{slug}/x").gives(200, deleted(done=1)),
    ),
    case("chunked", delete("nothing/here", framing="chunked").gives(200, deleted(missing=1))),
    case("no length", delete("x", framing="none").gives(200, deleted("411 Length Required"))),
    case("DELETE without a body", DELETE("{v1}?bulk-delete").gives(200, deleted("411 Length Required"))),
    case("empty", delete().gives(200, deleted("400 Bad Request", text="Invalid bulk delete."))),
    case("empty lines", delete("", " ", "nothing/here", "", "").gives(200, deleted(missing=1))),
    case("carriage returns", delete("nothing/here\r", " nothing/there \r").gives(200, deleted(missing=2))),
    case("other methods", PUT("{own}?bulk-delete").gives(201), GET("{own}?bulk-delete").gives(204)),
    case("a container's path", delete("nothing/here", target="{c}?bulk-delete").gives(200, deleted(missing=1))),
    case("an object's path", delete("nothing/here", target="{o}?bulk-delete=x").gives(200, deleted(missing=1))),
    case("no account", delete("nothing/here", target="/v1?bulk-delete").gives(200, deleted("404 Not Found"))),
    case("another type", delete("nothing/here", Content_Type="text/xml").gives(200, deleted("406 Not Acceptable"))),
    case("a charset", delete("nothing/here", Content_Type="text/plain;charset=utf-8").gives(200, deleted(missing=1))),
    case(
        "json",
        delete("nothing/here", Accept="application/json").gives(
            200,
            '{"Response Status": "200 OK", "Response Body": "", "Number Deleted": 0, "Number Not Found": 1, "Errors": []}',
            Content_Type="application/json",
        ),
    ),
    case(
        "xml",
        delete("c", "a%3Cb/%FF", Accept="text/xml").gives(
            200,
            "<delete>\n<number_deleted>0</number_deleted>\n<number_not_found>1</number_not_found>\n"
            "<response_body></response_body>\n<response_status>400 Bad Request</response_status>\n<errors>\n"
            "<object><name>a%3Cb/%FF</name><status>412 Precondition Failed</status></object>\n</errors>\n</delete>\n",
            Content_Type="text/xml",
        ),
    ),
    case("no format", delete("nothing/here", Accept="image/png").gives(200, deleted("406 Not Acceptable"))),
    case(
        "a container that is not empty",
        extract("{own}", TWO),
        delete("own-{slug}").gives(200, deleted("400 Bad Request", errors="own-{slug}, 409 Conflict\n")),
    ),
    case("NUL", delete("c/a%00b").gives(200, deleted("400 Bad Request", errors="c/a%00b, 412 Precondition Failed\n"))),
    case("bytes that are no text", delete("c/\xff").gives(200, ANY_BODY)),
    # One name a request: OpenStack Swift tells errors in the order in which they came about.
    *(
        case(
            f"{name} alone",
            delete(name).gives(200, deleted("400 Bad Request", errors=f"{name}, 405 Method Not Allowed\n")),
        )
        for name in ("/", "//")
    ),
    case("up and away", delete("../AUTH_test2/c/o", "c/../../x").gives(200, deleted(missing=2))),
    case("a query is part of the name", delete("c/o?version-id=1").gives(200, deleted(missing=1))),
    case("a name longer than any", delete("c/" + "n" * 1025).gives(200, ANY_BODY)),
    case(
        "a line longer than any",
        delete("c/" + "n" * 20000).gives(200, deleted("400 Bad Request", text="Invalid File Name")),
    ),
    case(
        "a long name in another alphabet",
        delete("c/" + "%E4%B8%96" * 1000).gives(200, deleted(missing=1)),
    ),
    case(
        "too many",
        delete(*["c/o"] * 10001).gives(
            200, deleted("413 Request Entity Too Large", text="Maximum Bulk Deletes: 10000 per request")
        ),
    ),
    case("nobody", by(NOBODY, delete("c/o")).gives(200, deleted("400 Bad Request", errors="c/o, 401 Unauthorized\n"))),
    case(
        "a stranger", by(STRANGER, delete("c/o")).gives(200, deleted("400 Bad Request", errors="c/o, 403 Forbidden\n"))
    ),
    case(
        "a guest who may write",
        PUT("{own}", X_Container_Write="test:tester3"),
        PUT("{own}/x"),
        by(GUEST, delete("own-{slug}/x", "own-{slug}")).gives(
            200, deleted("400 Bad Request", done=1, errors="own-{slug}, 403 Forbidden\n")
        ),
    ),
)
CASES: tuple[Case, ...] = (
    *(case(f"upload {each.name}", *each.steps) for each in UPLOADS),
    *(case(f"delete {each.name}", *each.steps) for each in DELETIONS),
)
