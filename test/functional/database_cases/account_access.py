"""Accounts' access lists: their grammar, and what each level may do."""

import json

from functional.object_cases.notation import (
    ADMIN,
    ANY_BODY,
    DELETE,
    GET,
    HEAD,
    NOBODY,
    POST,
    PUT,
    STRANGER,
    Case,
    Step,
    by,
    case,
)

ACL = "X-Account-Access-Control"


def lists(**levels: list[str]) -> str:
    """An access list in the spelling in which it is shown."""
    return json.dumps({level.replace("_", "-"): levels[level] for level in sorted(levels)}, separators=(",", ":"))


# As sent, and as it is shown afterwards; None: refused.
LISTS = {
    '{"admin":["a:b"]}': '{"admin":["a:b"]}',
    '{"read-write": ["b"],\t"admin": ["a"]}': '{"admin":["a"],"read-write":["b"]}',
    '{"read-only":[]}': '{"read-only":[]}',
    "{}": "",
    '{"admin":["\xc3\xa9"]}': '{"admin":["\\u00e9"]}',
    '{"admin":["\\u00e9"]}': '{"admin":["\\u00e9"]}',
    '{"admin":["a"],"admin":["b"]}': '{"admin":["b"]}',
    '{"admin":["a, b"]}': '{"admin":["a, b"]}',
    "nonsense": None,
    "[]": None,
    "null": None,
    "1": None,
    '"admin"': None,
    '{"admin":"a"}': None,
    '{"admin":null}': None,
    '{"admin":{}}': None,
    '{"admin":[1]}': None,
    '{"admin":[["a"]]}': None,
    '{"admin":[null]}': None,
    '{"owner":["a"]}': None,
    '{"Admin":["a"]}': None,
    '{"":[]}': None,
    "{": None,
    '{"admin":["a"]} x': None,
    '{"admin":["\xff"]}': None,
    '{"admin":["\\ud800"]}': '{"admin":["\\ud800"]}',
    "[" * 3000: None,
    "NaN": None,
}


def list_case(number: int, sent: str, kept: str | None) -> Case:
    post = by(ADMIN, POST("{fresh}", more={ACL: sent}))
    head = by(ADMIN, HEAD("{fresh}"))
    if kept is None:
        return case(f"list {number} refused", post.gives(400, ANY_BODY), head.gives(200, X_Account_Access_Control=None))
    return case(f"list {number}", post.gives(204), head.gives(204, X_Account_Access_Control=kept or None))


def can(title: str, granted: str, who: dict[str, str], *statuses: int) -> Case:
    """What a list lets somebody do with an account, a container and an object of it."""
    steps: tuple[Step, ...] = (
        GET("{fresh}"),
        HEAD("{fresh}"),
        POST("{fresh}", X_Account_Meta_A="1"),
        GET("{fresh}/c"),
        HEAD("{fresh}/c"),
        POST("{fresh}/c", X_Container_Meta_A="1", X_Container_Read=".r:*"),
        PUT("{fresh}/d", X_Container_Read=".r:*"),
        DELETE("{fresh}/d"),
        GET("{fresh}/c/o"),
        PUT("{fresh}/c/p", "x"),
        POST("{fresh}/c/o"),
        DELETE("{fresh}/c/p"),
        PUT("{fresh}"),
        DELETE("{fresh}"),
    )
    assert len(steps) == len(statuses)
    return case(
        title,
        by(ADMIN, PUT("{fresh}/c", X_Container_Sync_Key="k")),
        by(ADMIN, PUT("{fresh}/c/o", "x")),
        by(ADMIN, POST("{fresh}", more={ACL: granted, "X-Account-Meta-Temp-Url-Key": "k"})),
        *(by(who, step).gives(status, ANY_BODY) for step, status in zip(steps, statuses)),
        by(ADMIN, HEAD("{fresh}")).gives(410 if 204 in statuses[-1:] else 204),
        by(ADMIN, HEAD("{fresh}/c")).gives(404 if 204 in statuses[-1:] else 204),
    )


HIM = "test2:tester2"
ALL = (200, 204, 204, 200, 204, 204, 201, 204, 200, 201, 202, 204, 202, 204)
WRITES = (200, 204, 403, 200, 204, 204, 201, 204, 200, 201, 202, 204, 403, 403)
READS = (200, 204, 403, 200, 204, 403, 403, 403, 200, 403, 403, 403, 403, 403)
CASES = [
    *(list_case(number, sent, kept) for number, (sent, kept) in enumerate(LISTS.items())),
    can("admin", lists(admin=[HIM]), STRANGER, *ALL),
    can("read-write", lists(read_write=[HIM]), STRANGER, *WRITES),
    can("read-only", lists(read_only=[HIM]), STRANGER, *READS),
    can("by account", lists(read_only=["test2"]), STRANGER, *READS),
    can("by account id", lists(read_only=["AUTH_test2"]), STRANGER, *READS),
    can("two levels", lists(read_only=[HIM], admin=["test2"]), STRANGER, *ALL),
    can("another", lists(admin=["test3"]), STRANGER, *(403,) * 14),
    can("nobody and an empty name", lists(admin=[HIM, ""]), NOBODY, *(401,) * 14),
    case(
        "the list by POST, changed and removed",
        by(ADMIN, POST("{fresh}", more={ACL: lists(admin=[HIM])})).gives(204),
        by(STRANGER, HEAD("{fresh}")).gives(204, X_Account_Access_Control=lists(admin=[HIM])),
        by(ADMIN, POST("{fresh}", more={ACL: lists(read_only=[HIM])})).gives(204),
        by(STRANGER, HEAD("{fresh}")).gives(204, X_Account_Access_Control=None),
        by(ADMIN, POST("{fresh}", X_Account_Meta_A="1")).gives(204),
        by(ADMIN, HEAD("{fresh}")).gives(204, X_Account_Access_Control=lists(read_only=[HIM])),
        by(ADMIN, POST("{fresh}", more={ACL: ""})).gives(204),
        by(ADMIN, HEAD("{fresh}")).gives(204, X_Account_Access_Control=None),
        by(STRANGER, HEAD("{fresh}")).gives(403),
    ),
    case(
        "removed by its removal header",
        by(ADMIN, POST("{fresh}", more={ACL: lists(admin=[HIM])})),
        by(ADMIN, POST("{fresh}", more={"X-Remove-Account-Access-Control": "x"})).gives(204),
        by(ADMIN, HEAD("{fresh}")),
    ),
    case(
        "by PUT",
        by(ADMIN, PUT("{fresh}", more={ACL: lists(admin=[HIM])})).gives(201),
        by(STRANGER, HEAD("{fresh}")).gives(204),
    ),
    case(
        "long",
        by(ADMIN, POST("{fresh}", more={ACL: lists(admin=[f"a:{n}" for n in range(800)])})),
        by(ADMIN, HEAD("{fresh}")),
    ),
    case(
        "an admin may change it",
        by(ADMIN, POST("{fresh}", more={ACL: lists(admin=[HIM])})),
        by(STRANGER, POST("{fresh}", more={ACL: lists(admin=[HIM], read_only=["test"])})).gives(204),
        GET("{fresh}").gives(204),
    ),
    case(
        "others may not",
        by(ADMIN, POST("{fresh}", more={ACL: lists(read_write=[HIM])})),
        by(STRANGER, POST("{fresh}", more={ACL: lists(admin=[HIM])})).gives(403),
        by(STRANGER, PUT("{fresh}/c", more={ACL: lists(admin=[HIM])})).gives(201),
        by(ADMIN, HEAD("{fresh}")).gives(204, X_Account_Access_Control=lists(read_write=[HIM])),
    ),
    case(
        "a bad list by whom it is none of his business",
        by(STRANGER, POST("{fresh}", more={ACL: "x"})).gives(400, ANY_BODY),
    ),
    case("a bad list on a container", by(ADMIN, PUT("{fresh}/c", more={ACL: "x"})).gives(400, ANY_BODY)),
    case("a list on an object", PUT("{own}"), PUT("{own}/o", "x", more={ACL: lists(admin=[HIM])}), HEAD("{own}/o")),
    case(
        "goes with the account",
        by(ADMIN, PUT("{fresh}", more={ACL: lists(admin=[HIM])})),
        by(ADMIN, DELETE("{fresh}")),
        by(STRANGER, HEAD("{fresh}")).gives(403),
    ),
]
