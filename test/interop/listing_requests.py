"""Random requests for listings, from a seeded generator: every parameter in every combination, over a nasty alphabet."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple
from urllib.parse import quote, quote_plus

PIECES = (
    *[
        "a",
        "b",
        "A",
        "/",
        "/",
        "/",
        "//",
        "-",
        ".",
        "0",
        "é",
        "é",
        "漢",
        "😀",
        "\ue000",
        "\uffff",
        "\U0010fffe",
        "%",
        "+",
        "&",
        "=",
        "?",
        "#",
        '"',
        "'",
        "<",
        ">",
        "&amp;",
        "\\",
        "]]>",
    ],
    *(" ", "\t", "\n", "\r", "\x01", "\x7f", "\u2028", "\ufeff"),
)
CALM = tuple(piece for piece in PIECES if "/" not in piece and piece != "0")
"""What names end with that OpenStack Swift never loses from a listing with a path."""
DELIMITERS = ("/", "/", "/", "//", "-", "a", "é", "😀", "/-", " ", "a/", "0", "\n", "\x01", "\uffff", "")
LIMITS = (
    *["0", "1", "2", "3", "10", "9999", "10000", "10001", "-1", "abc", "1e3", "٣", "+5", "007", "99999999999999999999"],
    " 5",
    "",
)
REVERSE = (*["1", "true", "TRUE", "yes", "on", "t", "y", "Y", "0", "no", "off", "maybe", "é"], "")
FORMATS = (*["json", "json", "xml", "plain", "JSON", "Xml", "html", "é"], "")
MEDIA = ["text/plain", "application/json", "application/xml", "text/xml", "text/*", "application/*", "*/*", "image/png"]
# Not q=0, nor Q, nor Text/XML: OpenStack Swift does not do there what RFC 9110 (12.4.2, 5.6.6, 8.3.1) says, and we do.
PARAMETERS = ("; q=0.5", ";q=1", ";q=.3", ";q=1.", "; charset=utf-8", ';a="b"', ";q=0.9;x=y", ";q=2")
BROKEN_ACCEPTS = ("bad", "text/plain;q=foo", "text/plain;q", "a b/c", "/", ",", "text/plain,,", "*", "a/b/c", ";q=1")
BROKEN_TEXT = ("%ff", "%C3", "%ED%A0%80", "a%FE")
DIRECT = "/d1/1/AUTH_t"


class Ask(NamedTuple):
    """One request.

    :param path: with a query; of the proxy's API, or DIRECT for a storage server
    """

    path: str
    headers: dict[str, str]


def random_name(random: Random, most: int = 6, ends: Sequence[str] = PIECES) -> str:
    """A name of a few nasty pieces; it does not begin like a reserved one.

    :param ends: what it may end with
    """
    return "".join(random.choice(PIECES) for _ in range(random.randint(0, most - 1))) + random.choice(ends)


def requests(random: Random, names: list[str], container: str, count: int, with_paths: bool = False) -> list[Ask]:
    """So many requests for the listing of a container, or of the account when ``container`` is empty.

    :param names: of what is listed; parameters are often a part of one of them
    :param with_paths: whether some have the parameter ``path``
    """
    return [_request(random, names, container, with_paths) for _ in range(count)]


def path_requests(random: Random, names: list[str], container: str, count: int) -> list[Ask]:
    """Requests with a path that ask for all there is, forwards and backwards, as JSON."""
    texts = [(quote(_text(random, names), safe=""), quote(random.choice(REVERSE))) for _ in range(count)]
    return [Ask(f"/v1/AUTH_t/{container}?format=json&path={text}&reverse={way}", {}) for text, way in texts]


def accept(random: Random) -> str:
    """An Accept header, rarely a broken one."""
    if random.random() < 0.1:
        return random.choice(BROKEN_ACCEPTS)
    ranges = []
    for _ in range(random.randint(1, 4)):
        extra = random.choice(PARAMETERS) if random.random() < 0.6 else ""
        ranges.append(random.choice(MEDIA) + extra)
    return random.choice((", ", ",", " , ")).join(ranges)


def _request(random: Random, names: list[str], container: str, with_paths: bool) -> Ask:
    pairs = [(name, _text(random, names)) for name in ("marker", "end_marker") if random.random() < 0.3]
    chances = (
        ("prefix", 0.35, lambda: _text(random, names)),
        ("delimiter", 0.5, lambda: random.choice(DELIMITERS)),
        ("path", 0.25 if with_paths else 0.0, lambda: _text(random, names)),
        ("reverse", 0.35, lambda: random.choice(REVERSE)),
        ("limit", 0.4, lambda: random.choice(LIMITS) if random.random() < 0.6 else str(random.randint(1, 40))),
        ("format", 0.6, lambda: random.choice(FORMATS)),
        ("states", 0.05, lambda: random.choice(("listing", "active", "nonsense"))),
        ("unknown", 0.05, lambda: _text(random, names)),
    )
    pairs += [(name, value()) for name, chance, value in chances if random.random() < chance]
    if pairs and random.random() < 0.05:
        pairs.append((random.choice(pairs)[0], _text(random, names)))
    random.shuffle(pairs)
    # Of a request that is wrong in two ways, either side may name either.
    may_break = not any(name == "limit" for name, _ in pairs)
    query = "&".join(f"{name}={_encode(random, value, may_break)}" for name, value in pairs)
    headers = {"Accept": accept(random)} if random.random() < 0.3 else {}
    if random.random() < 0.1:
        headers["X-Backend-Allow-Reserved-Names"] = "true"
    inside = random.random() < 0.2
    if inside and random.random() < 0.2:
        headers["X-Backend-Storage-Policy-Index"] = random.choice(("0", "1", "1", "7", "x"))
    base = DIRECT if inside else "/v1/AUTH_t"
    path = f"{base}/{quote(container)}" if container else base
    return Ask(f"{path}?{query}" if query or random.random() < 0.1 else path, headers)


def _text(random: Random, names: list[str]) -> str:
    """A name, the beginning of one, one that is a little larger, or anything."""
    kind = random.random()
    name = random.choice(names)
    if kind < 0.25:
        return name
    if kind < 0.6:
        return name[: random.randint(0, len(name))]
    if kind < 0.7:
        return name + random.choice(("\x01", "/", "0", "é"))
    if kind < 0.8:
        return name.rpartition("/")[0] + random.choice(("/", ""))
    return "" if kind < 0.85 else random_name(random, 3)


def _encode(random: Random, text: str, may_break: bool) -> str:
    kind = random.random()
    if kind < 0.03 and may_break:
        return random.choice(BROKEN_TEXT)
    if kind < 0.6:
        return quote(text, safe="")
    # Some clients quote as little as they can: what is left is bytes of UTF-8, as WSGI has them.
    return quote_plus(text) if kind < 0.8 else quote(text, safe="/ '\"<>?\\é漢😀").encode().decode("latin-1")
