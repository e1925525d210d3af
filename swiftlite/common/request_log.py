"""The line that a storage server logs for a request; log analysers know its form."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Mapping
from typing import Any


def storage_line(environ: Mapping[str, Any], status: int, length: str, started: float, ended: float) -> str:
    """``address - - [time] "METHOD path" status length "referer" "transaction" "agent" seconds "-" pid policy``.

    :param length: bytes of the answer's body, or ``-``
    :param started: seconds since the epoch, like ``ended``
    """
    get = environ.get
    path = get("RAW_PATH_INFO") or get("PATH_INFO")
    return (
        f"{get('REMOTE_ADDR', '-')} - - [{_log_time(int(ended))}] "
        f'"{environ["REQUEST_METHOD"]} {path}" {status} {length} '
        f'"{get("HTTP_REFERER", "-")}" "{get("HTTP_X_TRANS_ID", "-")}" "{get("HTTP_USER_AGENT", "-")}" '
        f'{ended - started:.4f} "-" {os.getpid()} {get("HTTP_X_BACKEND_STORAGE_POLICY_INDEX", "-")}'
    )


@functools.lru_cache(maxsize=4)
def _log_time(second: int) -> str:
    return time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(second))
