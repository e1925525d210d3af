"""doc/differences.md, made of the lists of differences."""

from __future__ import annotations

from interop import database_differences, filter_differences, object_differences

INTRODUCTION = """\
# Where swiftlite differs from OpenStack Swift

An application written for OpenStack Swift should notice nothing of what stands here. It is all that differs in what
clients hear: `test/interop/test_peer_differences.py`, `test_peer_database_differences.py`, `test_peer_filters.py` and
`test_peer_filter_confs.py` send the requests of `test/functional/object_cases`, `database_cases`, `filter_cases` and
`filter_conf_cases` to both, side by side, and fail when an answer differs in status, any header or body and is not listed, and when something is
listed that does not differ any more; only the parts so named tell of what no single request can show.
Not compared are times, transaction ids, the order of names in `Allow` and in the lists of CORS, `Connection` and the
like, the length of a body that a HEAD does not send, and the words of a standard error body, the text in
`<html><h1>Not Found</h1><p>…</p></html>`, which are our own; so are the style and the indentation of pages of HTML.

This file is generated: `PYTHONPATH=test python -m interop.differences_document > doc/differences.md`.
"""


def document() -> str:
    """Return the text of doc/differences.md."""
    parts = [INTRODUCTION]
    for module in (object_differences, database_differences, filter_differences):
        for subject, differences in module.SUBJECTS.items():
            parts.append(f"\n## {subject}\n")
            for one in differences:
                parts.append(f"\n**{one.title}.**\n")
                parts.append(f"- swiftlite: {one.ours}\n- OpenStack Swift: {one.theirs}\n- Why: {one.why}\n")
    return "".join(parts)


if __name__ == "__main__":
    print(document(), end="")
