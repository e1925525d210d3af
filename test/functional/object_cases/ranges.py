"""GET and HEAD of parts of an object."""

from functional.object_cases.notation import EMPTY_ETAG, GET, HEAD, HTML, POST, PUT, Case, Step, case, etag

TEN = "0123456789"
ETAG = etag(TEN)
MULTI = "multipart/byteranges;boundary=BOUNDARY"


def part(range_: str, body: str, total: int = 10, content_type: str = "text/plain") -> str:
    return f"--BOUNDARY\r\nContent-Type: {content_type}\r\nContent-Range: bytes {range_}/{total}\r\n\r\n{body}\r\n"


def ten(spec: str) -> Step:
    return GET("{c}/ten", Range=spec)


def one(spec: str, content_range: str) -> Case:
    first, last = map(int, content_range.split("-"))
    body = TEN[first : last + 1]
    headers = {
        "Content_Range": f"bytes {content_range}/10",
        "Content_Length": str(len(body)),
        "ETag": ETAG,
        "Content_Type": "text/plain",
        "Accept_Ranges": "bytes",
        "X_Object_Meta_A": "b",
    }
    return case(f"one {spec}", ten(spec).gives(206, body, **headers))


def several(spec: str, *content_ranges: str) -> Case:
    parts = [part(found, TEN[int(found.split("-")[0]) : int(found.split("-")[1]) + 1]) for found in content_ranges]
    body = "".join(parts) + "--BOUNDARY--"
    return case(
        f"several {spec[:60]}",
        ten(spec).gives(206, body, Content_Type=MULTI, ETag=ETAG, Content_Range=None, X_Object_Meta_A="b"),
    )


def ignored(spec: str) -> Case:
    return case(f"ignored {spec[:60]}", ten(spec).gives(200, TEN, Content_Range=None, Content_Length="10", ETag=ETAG))


def refused(spec: str) -> Case:
    shown = {"Content_Range": "bytes */10", "X_Object_Meta_A": "b", "ETag": ETAG, "Accept_Ranges": "bytes"}
    answer = ten(spec).gives(416, HTML, Content_Type="text/html; charset=UTF-8", **shown)
    return case(f"refused {spec[:40]} ({spec.count(',')})", answer)


SETUP = [
    PUT("{c}/ten", TEN, Content_Type="text/plain", X_Object_Meta_A="b"),
    PUT("{c}/empty", b"", Content_Type="text/plain"),
    PUT("{c}/big", bytes(range(256)) * 1024, Content_Type="a/b"),
]
CASES = [
    *(one(*pair) for pair in (("bytes=0-0", "0-0"), ("bytes=0-9", "0-9"), ("bytes=9-9", "9-9"), ("bytes=3-5", "3-5"))),
    *(one(*pair) for pair in (("bytes=9-", "9-9"), ("bytes=0-", "0-9"), ("bytes=5-99999999999999999999", "5-9"))),
    *(one(*pair) for pair in (("bytes=-1", "9-9"), ("bytes=-10", "0-9"), ("bytes=-99", "0-9"), ("bytes=-11", "0-9"))),
    *(one(*pair) for pair in (("bytes= 1-2", "1-2"), ("bytes=1-2 ", "1-2"), ("bytes=1 - 2", "1-2"))),
    *(one(*pair) for pair in (("bytes=1-2,20-30", "1-2"), ("bytes=20-30,-1", "9-9"), ("bytes=007-8", "7-8"))),
    *map(
        ignored, ("bytes=", "bytes=a-b", "bytes=1", "bytes=-", "bytes=5-3", "bytes", "5-6", "items=0-1", "bytes=1-2-3")
    ),
    *map(
        ignored,
        ("bytes=1-2,", "bytes=,1-2", "bytes=1-2;3-4", "bytes=1-2,x", "bytes=1-2,5-3", "bytes=--1", "bytes=+1-2"),
    ),
    *map(ignored, ("Bytes=1-x", "bytes=0x1-2", "bytes=1.0-2", "bytes==1-2", "bytes=\xb2-3", "bytes 1-2")),
    *map(refused, ("bytes=10-", "bytes=10-11", "bytes=99-", "bytes=-0", "bytes=10-,20-", "bytes=-0,10-")),
    several("bytes=0-0,9-9", "0-0", "9-9"),
    several("bytes=0-1, 4-5 ,-1", "0-1", "4-5", "9-9"),
    several("bytes=5-6,0-1", "5-6", "0-1"),
    several("bytes=0-3,2-5", "0-3", "2-5"),
    several("bytes=0-9,0-9", "0-9", "0-9"),
    several("bytes=-2,-3", "8-9", "7-9"),
    several("bytes=0-,30-,-1", "0-9", "9-9"),
    several("bytes=0-9,0-9,0-9", "0-9", "0-9", "0-9"),
    refused("bytes=0-3,2-5,4-7,6-9"),
    several("bytes=0-3,2-5,4-7", "0-3", "2-5", "4-7"),
    several("bytes=" + ",".join(f"{n}-{n}" for n in range(6, -1, -1)), *(f"{n}-{n}" for n in range(6, -1, -1))),
    refused("bytes=" + ",".join(f"{n}-{n}" for n in range(7, -1, -1))),
    refused("bytes=" + ",".join(f"{n}-{n}" for n in (1, 0, 2, 3, 4, 5, 6, 7))),
    several("bytes=" + ",".join(f"{n}-{n}" for n in range(10)), *(f"{n}-{n}" for n in range(10))),
    case("big 50 ranges", GET("{c}/big", Range="bytes=" + ",".join(f"{n}-{n}" for n in range(0, 100, 2))).gives(206)),
    case("big 51 ranges", GET("{c}/big", Range="bytes=" + ",".join(f"{n}-{n}" for n in range(0, 102, 2))).gives(416)),
    case(
        "big middle",
        GET("{c}/big", Range="bytes=65535-131073").gives(206, (bytes(range(256)) * 258)[255:65794]),
    ),
    case(
        "51 ranges of which most are beyond",
        GET("{c}/ten", Range="bytes=0-0," + ",".join(f"{n}-{n}" for n in range(10, 60))).gives(206, "0"),
    ),
    case("empty from 0", GET("{c}/empty", Range="bytes=0-").gives(416, HTML, Content_Range="bytes */0")),
    case("empty 0-0", GET("{c}/empty", Range="bytes=0-0").gives(416, Content_Range="bytes */0")),
    case("empty suffix", GET("{c}/empty", Range="bytes=-5").gives(200, b"", ETag=EMPTY_ETAG, Content_Range=None)),
    case("empty suffix of nothing", GET("{c}/empty", Range="bytes=-0").gives(416)),
    case("empty suffix and more", GET("{c}/empty", Range="bytes=0-1,-5").gives(200, b"")),
    case("head of one", HEAD("{c}/ten", Range="bytes=1-2").gives(200, Content_Range=None, Content_Length="10")),
    case("head of several", HEAD("{c}/ten", Range="bytes=1-2,4-5").gives(200, Content_Type="text/plain")),
    case("head of none", HEAD("{c}/ten", Range="bytes=10-").gives(200, Content_Range=None)),
    case("head of a bad one", HEAD("{c}/ten", Range="bytes=x").gives(200, Content_Length="10")),
    case("of missing", GET("{c}/missing", Range="bytes=0-1").gives(404, Content_Range=None)),
    case("two headers", GET("{c}/ten", more={"Range": "bytes=0-1", "range": "bytes=3-4"}).gives(200, TEN)),
    case("in upper case", GET("{c}/ten", Range="BYTES=1-2").gives(206, "12")),
    case(
        "with newest", GET("{c}/ten", Range="bytes=1-2", X_Newest="true").gives(206, "12", Content_Range="bytes 1-2/10")
    ),
    case("if-range is not known", GET("{c}/ten", Range="bytes=1-2", If_Range='"nope"').gives(206, "12")),
    case("if-range of the etag", GET("{c}/ten", Range="bytes=1-2", If_Range=f'"{ETAG}"').gives(206, "12")),
    case("with a true If-Match", GET("{c}/ten", Range="bytes=1-2", If_Match=ETAG).gives(206, "12")),
    case("with a false If-Match", GET("{c}/ten", Range="bytes=1-2", If_Match="x").gives(412, b"")),
    case("with If-None-Match", GET("{c}/ten", Range="bytes=1-2", If_None_Match=ETAG).gives(304, Content_Range=None)),
    case("none and If-None-Match", GET("{c}/ten", Range="bytes=10-", If_None_Match=ETAG).gives(304)),
    case("none and a false If-Match", GET("{c}/ten", Range="bytes=10-", If_Match="x").gives(412, b"")),
    case("of a PUT is ignored", PUT(body="abc", Range="bytes=0-1").gives(201), GET().gives(200, "abc", Range=None)),
    case(
        "after a POST",
        PUT(body="abc"),
        POST(X_Object_Meta_B="c"),
        GET(Range="bytes=-1").gives(206, "c", X_Object_Meta_B="c"),
    ),
]
