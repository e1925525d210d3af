"""Which transactions are logged in full: those whose id ends with a word that an operator has chosen."""

from __future__ import annotations

import re

EXTRA_LENGTH = 32
"""Characters of a request's X-Trans-Id-Extra that its transaction id ends with (formats.md 7.3)."""

_WORD = re.compile(rf"[A-Za-z0-9_.~-]{{8,{EXTRA_LENGTH}}}")


def debug_endings(text: str) -> tuple[str, ...]:
    """The ends of the transaction ids that are logged in full.

    A word is at least 8 characters long, so that it is not guessed, and has only such as stand in a transaction id as
    they are.

    :param text: the option ``debug_trans_id_extra``: words with commas between them
    :raises ValueError: when a word is none
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if not _WORD.fullmatch(word):
            raise ValueError(f"{word!r} is not 8 to {EXTRA_LENGTH} letters, digits, or any of _ . ~ -")
    return tuple(f"-{word}" for word in words)
