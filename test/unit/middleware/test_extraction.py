"""Archives from strangers: whatever they hold, objects below the path that was asked for, or a clear refusal."""

import bz2
import gzip
import io
import json
import logging
import tarfile
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.wsgi_calls import call, make_environ
from swiftlite.core.constraints import Constraints
from swiftlite.http.errors import BadBody, ClientDisconnected, ClientTimeout
from swiftlite.middleware.bulk import archive
from swiftlite.middleware.bulk.filter import Bulk
from swiftlite.middleware.bulk.options import BulkOptions

ASKS = {"accept": "application/json", "x-auth-token": "mine"}
BLOCK = 512
END = bytes(2 * BLOCK)


class Store:
    """An application that keeps objects and knows containers; `statuses` are answers to certain paths.

    Like a proxy, it answers 400, 408 or 499 where a body does not come.
    """

    def __init__(self, statuses=(), keeps=True):
        self.objects = {}
        self.containers = set()
        self.statuses = dict(statuses)
        self.keeps = keeps
        self.asked = []

    def __call__(self, environ, start_response):
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.asked.append(environ)
        status = self.statuses.get((method, path)) or self.answer(method, path, environ)
        start_response(f"{status} Some", [])
        return []

    def answer(self, method, path, environ):
        parts = path.split("/", 4)
        if len(parts) == 4:
            exists = parts[3] in self.containers
            if method == "PUT":
                self.containers.add(parts[3])
            return 204 if exists else 404 if method == "HEAD" else 201
        left, pieces = int(environ["CONTENT_LENGTH"]), []
        try:
            while left:
                data = environ["wsgi.input"].read(min(left, 65536))
                if not data:
                    return 499
                left -= len(data)
                pieces.append(data if self.keeps else b"")
        except ClientTimeout:
            return 408
        except ClientDisconnected:
            return 499
        except BadBody:
            return 400
        self.objects[path] = b"".join(pieces)
        return 201


def extract(app, body, kind="tar", path="/v1/AUTH_a/c", constraints=None, headers=None, **options):
    """Send an archive, bytes or what can be read from; return what is told."""
    made = Bulk(app, BulkOptions(**options), logging.getLogger("test"))
    made.constraints = constraints or Constraints()
    environ = make_environ("PUT", f"{path}?extract-archive={kind}", {**ASKS, **(headers or {})})
    environ["HTTP_TRANSFER_ENCODING"] = "chunked"
    environ["wsgi.input"] = io.BytesIO(body) if isinstance(body, bytes) else body
    return json.loads(call(made, environ).body)


def header(name="f", size=0, kind=b"0", **fields):
    """A member's first block."""
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.GNU_FORMAT)[-BLOCK:]


def padded(data):
    return data + bytes(-len(data) % BLOCK)


def file(name="f", data=b"x"):
    return header(name, len(data)) + padded(data)


def pax(records, kind=b"x"):
    """A pax header: `records` as bytes."""
    return header("pax", len(records), kind) + padded(records)


def record(key, value):
    length = len(key) + len(value) + 3
    length += len(str(length + len(str(length))))
    return f"{length} {key}=".encode() + value + b"\n"


class Pieces:
    """A body made while it is read, of pieces that need not all be there at once."""

    def __init__(self, pieces):
        self._pieces = iter(pieces)
        self._rest = b""
        self.given = 0

    def read(self, size=-1):
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = piece
        data, self._rest = self._rest[:size], self._rest[size:]
        self.given += len(data)
        return data


@pytest.fixture
def memory():
    """Most bytes that Python had at once, in the test so far."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


# Names --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../f", "../../AUTH_b/c/f", "/etc/passwd", "//f", "./../f", "a/../../../f", "...", "a\\..\\f"]
)
def test_every_file_lies_below_the_path(name):
    app = Store()
    assert extract(app, file(name) + END)["Number Files Created"] == 1
    (path,) = app.objects
    assert path.startswith("/v1/AUTH_a/c/")
    app = Store()
    extract(app, file(name) + END, path="/v1/AUTH_a")
    assert all(environ["PATH_INFO"].startswith("/v1/AUTH_a/") for environ in app.asked)


@pytest.mark.parametrize("name", [b"\xff", b"\xc3", b"a/\xed\xa0\x80"])
def test_a_name_that_is_no_text_is_told_and_the_others_are_stored(name):
    app = Store()
    found = extract(app, file(name.decode("utf-8", "surrogateescape")) + file("good") + END)
    assert [status for _, status in found["Errors"]] == ["412 Precondition Failed"]
    assert list(app.objects) == ["/v1/AUTH_a/c/good"]


def test_a_name_with_nul_is_told():
    app = Store()
    found = extract(app, pax(record("path", b"\x00hidden/x")) + file() + pax(record("path", b"a\x00b")) + file() + END)
    assert [status for _, status in found["Errors"]] == ["412 Precondition Failed"] * 2
    assert not app.objects


def test_of_two_files_of_a_name_the_last_stays():
    app = Store()
    assert extract(app, file("f", b"one") + file("f", b"two") + END)["Number Files Created"] == 2
    assert app.objects == {"/v1/AUTH_a/c/f": b"two"}


def test_long_names_of_both_kinds():
    app, long = Store(), "n" * 300
    gnu = header("././@LongLink", 301, b"L") + padded(long.encode() + b"\0") + file("g")
    found = extract(app, gnu + pax(record("path", b"p" + long.encode())) + file() + END)
    assert (found["Number Files Created"], sorted(app.objects)) == (
        2,
        [f"/v1/AUTH_a/c/{n}" for n in (long, "p" + long)],
    )


@pytest.mark.parametrize(
    "kind", [tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_only_files_become_objects(kind):
    app = Store()
    found = extract(app, header("odd", kind=kind, linkname="../../etc/passwd") + file("f") + END)
    assert (found["Number Files Created"], found["Errors"], list(app.objects)) == (1, [], ["/v1/AUTH_a/c/f"])


# Who may ------------------------------------------------------------------------------------------------------------


def test_each_request_is_the_clients():
    app = Store()
    made = Bulk(app, BulkOptions(), logging.getLogger("test"))
    made.constraints = Constraints()
    environ = make_environ("PUT", "/v1/AUTH_a/c?extract-archive=tar", ASKS, file() + END)
    environ["swift.authorize_override"] = True
    environ["HTTP_X_OBJECT_SYSMETA_A"] = environ["HTTP_X_COPY_FROM"] = "no"
    call(made, environ)
    assert [made["REQUEST_METHOD"] for made in app.asked] == ["HEAD", "PUT", "PUT"]
    for made in app.asked:
        assert (made["HTTP_X_AUTH_TOKEN"], made["swift.source"], made["QUERY_STRING"]) == ("mine", "EA", "")
        assert not {"swift.authorize_override", "HTTP_X_OBJECT_SYSMETA_A", "HTTP_X_COPY_FROM"} & set(made)


def test_who_may_not_is_told_at_once():
    app = Store({("HEAD", "/v1/AUTH_a/c"): 401})
    found = extract(app, file() + END)
    assert (found["Response Status"], found["Errors"], len(app.asked)) == ("401 Unauthorized", [], 1)
    app = Store({("PUT", "/v1/AUTH_a/c/f"): 401})
    found = extract(app, file() + file("g") + END)
    assert (found["Response Status"], found["Errors"]) == ("401 Unauthorized", [["c/f", "401 Unauthorized"]])
    assert not app.objects


def test_a_container_that_cannot_be_made_need_not_keep_objects_out():
    app = Store({("HEAD", "/v1/AUTH_a/c"): 403})
    assert extract(app, file() + END)["Response Status"] == "201 Created"
    app = Store({("HEAD", "/v1/AUTH_a/c"): 403, ("PUT", "/v1/AUTH_a/c/f"): 403})
    found = extract(app, file() + END)
    assert found["Errors"] == [["/v1/AUTH_a/c", "403 Some"], ["c/f", "403 Some"]]


def test_only_so_many_containers_are_made():
    app = Store()
    body = b"".join(file(f"c{number}/f") for number in range(5)) + END
    found = extract(app, body, path="/v1/AUTH_a", max_containers_per_extraction=2)
    assert found["Response Body"] == "More than 2 containers to create from tar."
    assert (found["Number Files Created"], len(app.containers)) == (2, 3)


def test_after_too_many_failures_the_rest_is_left():
    app = Store({("PUT", f"/v1/AUTH_a/c/{number}"): 413 for number in range(100)})
    found = extract(app, b"".join(file(str(number)) for number in range(100)) + END, max_failed_extractions=3)
    assert [name for name, _ in found["Errors"]] == ["c/0", "c/1", "c/2"]


def test_a_failed_server_is_told_from_a_bad_file():
    app = Store({("PUT", "/v1/AUTH_a/c/f"): 503})
    found = extract(app, file() + file("g") + END)
    assert (found["Response Status"], found["Number Files Created"]) == ("502 Bad Gateway", 1)


# Sizes --------------------------------------------------------------------------------------------------------------


def test_a_file_that_is_too_large_is_passed_over_before_anything_is_stored():
    app = Store()
    found = extract(app, file("f", b"x" * 11) + file("g", b"y" * 10) + END, constraints=Constraints(max_file_size=10))
    assert found["Errors"] == [["c/f", "413 Request Entity Too Large"]]
    assert app.objects == {"/v1/AUTH_a/c/g": b"y" * 10}


def test_files_that_inflate_to_gigabytes_are_sent_on_piece_by_piece(memory):
    """A quarter of a gigabyte here: that it all could be at once in no more than a few megabytes is what matters."""
    size = 256 * 1024 * 1024
    packer = zlib.compressobj(1, wbits=31)
    packed = (
        packer.compress(header("bomb", size))
        + b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20))
        + packer.compress(END)
        + packer.flush()
    )
    assert len(packed) < size / 200
    app = Store(keeps=False)
    assert extract(app, packed, "tar.gz")["Number Files Created"] == 1
    assert memory() < 16 * 1024 * 1024


@pytest.mark.parametrize("kind", ["tar.gz", "tar.bz2"])
def test_what_inflates_and_is_thrown_away_has_a_limit(kind, memory, monkeypatch):
    monkeypatch.setattr(archive, "FREE_WASTE", 1 << 20)
    size = 32 * 1024 * 1024
    body = header("bomb", size) + bytes(size) + file("behind") + END
    packed = gzip.compress(body, 9) if kind == "tar.gz" else bz2.compress(body)
    del body
    tracemalloc.reset_peak()
    app = Store()
    found = extract(app, packed, kind, constraints=Constraints(max_file_size=10))
    assert found["Response Body"] == "Invalid Tar File: too little of it can be stored for its size"
    assert not app.objects
    assert memory() < 16 * 1024 * 1024


def test_what_is_passed_over_in_an_honest_archive_has_none(monkeypatch):
    monkeypatch.setattr(archive, "FREE_WASTE", 1024)
    app = Store()
    body = file("f", bytes(100_000)) + file("g") + END
    found = extract(app, body, constraints=Constraints(max_file_size=10))
    assert list(app.objects) == ["/v1/AUTH_a/c/g"]
    assert found["Response Body"] == ""


def endless(start, piece):
    yield start
    while True:
        yield piece


def more_holes():
    """The block of a file with holes whose map goes on in the next one."""
    block = bytearray(header("f", 0, b"S"))
    block[482] = 1
    block[483:495] = b"%011o\0" % 1000
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


HUGE = 1 << 40
ENDLESS = {
    "pax header": endless(header("pax", HUGE, b"x"), b"9" * 65536),
    "pax header of all files": endless(header("pax", HUGE, b"g"), b"9" * 65536),
    "long name": endless(header("././@LongLink", HUGE, b"L"), b"n" * 65536),
    "long name of a link": endless(header("././@LongLink", HUGE, b"K"), b"n" * 65536),
    "one header for the next": endless(b"", pax(record("a", b"b"))),
    "one long name for the next": endless(b"", header("././@LongLink", 1, b"L") + padded(b"n")),
    "a map of holes": endless(more_holes(), b"00000000001\x0000000000001\x00" * 21 + b"\x01" + bytes(7)),
    "another map of holes": endless(
        pax(record("GNU.sparse.major", b"1") + record("GNU.sparse.minor", b"0") + record("GNU.sparse.realsize", b"9"))
        + header("f", HUGE)
        + b"99999999\n",
        b"1\n" * 256,
    ),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_what_describes_a_file_is_read_within_bounds(what, memory):
    app, body = Store(), Pieces(ENDLESS[what])
    found = extract(app, body)
    assert found["Response Status"] == "400 Bad Request"
    assert found["Response Body"] == "Invalid Tar File: more than 1048576 bytes describe one file"
    assert not app.objects
    assert body.given < 3 << 20
    assert memory() < 32 * 1024 * 1024


def test_what_describes_all_files_is_read_within_bounds(memory):
    app = Store()
    body = Pieces(pax(record(f"key{number}", b"v" * 60_000), b"g") + file("d/") for number in range(100_000))
    assert extract(app, body)["Response Body"] == "Invalid Tar File: more than 65536 bytes describe all files"
    assert body.given < 1 << 20
    assert memory() < 16 * 1024 * 1024


def test_as_many_members_as_anybody_likes_are_forgotten_again(memory):
    app = Store()
    extract(app, Pieces(header(f"d{number}", kind=b"5") for number in range(4000)))
    assert memory() < 1024 * 1024


def test_absurdly_many_attributes_are_left_to_the_limits_of_the_proxy():
    app = Store()
    records = b"".join(record(f"SCHILY.xattr.user.meta.k{number}", b"v") for number in range(1000))
    extract(app, pax(records) + file() + END)
    assert sum(key.startswith("HTTP_X_OBJECT_META_K") for key in app.asked[-1]) == 1000


@pytest.mark.parametrize("value", [b"v\r\nX-Backend-Evil: 1", b"v\x00", b"\x7f"])
def test_an_attribute_cannot_add_a_header(value):
    app = Store()
    found = extract(app, pax(record("SCHILY.xattr.user.meta.k", value)) + file() + file("good") + END)
    assert found["Errors"] == [["c/f", "400 Bad Request"]]
    assert list(app.objects) == ["/v1/AUTH_a/c/good"]


def test_holes_are_zeros_and_count_as_bytes():
    sparse = pax(
        record("GNU.sparse.major", b"1")
        + record("GNU.sparse.minor", b"0")
        + record("GNU.sparse.name", b"holes")
        + record("GNU.sparse.realsize", b"2000")
    )
    data = padded(b"1\n1000\n3\n") + b"abc"
    app = Store()
    extract(app, sparse + header("f", len(data)) + padded(data) + END)
    assert app.objects == {"/v1/AUTH_a/c/holes": bytes(1000) + b"abc" + bytes(997)}
    found = extract(
        Store(), sparse + header("f", len(data)) + padded(data) + END, constraints=Constraints(max_file_size=10)
    )
    assert found["Errors"] == [["c/holes", "413 Request Entity Too Large"]]


# Damage -------------------------------------------------------------------------------------------------------------

GOOD = file("one", b"1" * 600) + file("two", b"2" * 600) + END


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.bz2"])
def test_an_archive_that_is_cut_short_is_never_told_to_be_whole(kind):
    packed = {"tar": GOOD, "tar.gz": gzip.compress(GOOD), "tar.bz2": bz2.compress(GOOD)}[kind]
    for length in range(0, len(packed), 7 if kind != "tar" else 101):
        app = Store()
        found = extract(app, packed[:length], kind)
        whole = found["Number Files Created"]
        assert whole == len(app.objects)
        assert all(data in (b"1" * 600, b"2" * 600) for data in app.objects.values())
        if length % BLOCK and length < len(GOOD) - len(END):
            assert found["Response Status"] == "400 Bad Request" or whole == 2


@pytest.mark.parametrize(
    ("error", "status"),
    [(ClientDisconnected("gone"), "499 Client Disconnect"), (ClientTimeout("slow"), "408 Request Timeout")],
)
def test_a_client_that_stops_is_told_why(error, status):
    class Broken(Pieces):
        def read(self, size=-1):
            data = super().read(size)
            if not data:
                raise error
            return data

    app = Store()
    found = extract(app, Broken([GOOD[:2300]]))
    assert (found["Response Status"], found["Number Files Created"]) == (status, 1)
    assert found["Errors"] == [["c/two", f"{status[:3]} Some"]]


def test_bytes_behind_an_archive_are_read_away():
    body = Pieces([GOOD, bytes(100_000)])
    assert extract(Store(), body)["Number Files Created"] == 2
    assert body.given == len(GOOD) + 100_000


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress])
def test_a_file_may_be_many_streams(compress):
    """As pigz and pbzip2 write them."""
    packed = compress(GOOD[:700]) + compress(GOOD[700:]) + bytes(20)
    found = extract(Store(), packed, "tar.gz" if compress is gzip.compress else "tar.bz2")
    assert found["Number Files Created"] == 2


def test_a_checksum_that_does_not_fit_is_told():
    packed = bytearray(gzip.compress(GOOD + bytes(100_000)))
    packed[-8] ^= 1
    assert extract(Store(), bytes(packed), "tar.gz")["Number Files Created"] == 2


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=6),
    st.sampled_from(["tar", "tar.gz"]),
)
def test_no_damage_is_more_than_a_bad_archive(changes, kind):
    body = bytearray(GOOD)
    for place, value in changes:
        body[place] = value
    app = Store()
    found = extract(app, gzip.compress(bytes(body)) if kind == "tar.gz" else bytes(body), kind)
    assert found["Response Status"][:3] in ("201", "400")
    assert all(path.startswith("/v1/AUTH_a/c/") for path in app.objects)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=2000), st.sampled_from(["tar", "tar.gz", "tar.bz2"]))
def test_no_bytes_are_more_than_a_bad_archive(body, kind):
    assert extract(Store(), body, kind)["Response Status"] == "400 Bad Request"


@pytest.mark.parametrize(
    ("records", "created"),
    [
        (b"9" * 1_000_000, 0),
        (record("k", b"9" * 1_000_000), 1),
        (b"9 hdrcharset=" * 80_000, 0),
        (record("a", b"b") * 20_000, 1),
        (record("a", b"b") * 170_000, 0),
    ],
    ids=["digits", "a value of digits", "a charset", "records", "too many records"],
)
def test_headers_that_take_others_quadratic_time(records, created):
    """Of these digits the standard library's first step would take a quarter of an hour."""
    assert extract(Store(), pax(records) + file() + END)["Number Files Created"] == created


def test_no_file_goes_by_what_was_known_of_the_container_before_the_one_before_it():
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as writer:
        for name in ("a", "b"):
            writer.addfile(tarfile.TarInfo(name))
    store = Store()
    bulk = Bulk(store, BulkOptions(), logging.getLogger("test"))
    bulk.constraints = Constraints()
    environ = make_environ("PUT", "/v1/AUTH_a/c?extract-archive=tar", body=made.getvalue())
    environ["swift.infocache"] = {"container/AUTH_a/c": {"bytes": 0}}
    call(bulk, environ)
    assert store.objects.keys() == {"/v1/AUTH_a/c/a", "/v1/AUTH_a/c/b"}
    assert not any(asked.get("swift.infocache") for asked in store.asked)
