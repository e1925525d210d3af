"""What the filters tempurl and formpost share: keys of accounts and containers, and hash functions that are good."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from swiftlite.common.config import ConfigError
from swiftlite.common.log import Logger
from swiftlite.common.pipeline import WSGIApp, factory_place
from swiftlite.common.subrequest import Environ
from swiftlite.core.names import wsgi_to_str
from swiftlite.core.signature import DEPRECATED_DIGESTS, DIGESTS
from swiftlite.core.temp_url import keys_of
from swiftlite.proxy.info import get_account_info, get_container_info

ALL_DIGESTS = " ".join(DIGESTS)
"""What an option ``allowed_digests`` says when nobody has set it."""


class Keys(NamedTuple):
    """The keys that may have signed a request."""

    account: list[str]
    container: list[str]


def keys_for(environ: Environ, app: WSGIApp, source: str) -> Keys:
    """The keys of the account and of the container that a request's path names, as native text.

    :param app: the rest of the pipeline
    :param source: who asks, for the log
    """
    infos = (get_account_info(environ, app, source), get_container_info(environ, app, source))
    return Keys(*([wsgi_to_str(key) for key in keys_of(info["meta"])] for info in infos))


def digests_info(allowed: str, conf: Mapping[str, str], log: Logger) -> dict[str, list[str]]:
    """What /info tells of the hash functions that an option ``allowed_digests`` names.

    :param allowed: names with blanks between them; none: all that there are
    :param conf: of the filter, for the error
    :raises ConfigError: when none of them is left
    """
    wanted = set(allowed.lower().split()) or set(DIGESTS)
    unknown, good = sorted(wanted - set(DIGESTS)), sorted(wanted & set(DIGESTS))
    if unknown:
        log.warning("allowed_digests: there are no %s", ", ".join(unknown))
    if not good:
        file, section = factory_place(conf)
        remedy = f"name some of {', '.join(DIGESTS)}"
        raise ConfigError(file, section, "allowed_digests", f"{allowed!r} has none that can be used", remedy)
    info = {"allowed_digests": good}
    deprecated = [name for name in good if name in DEPRECATED_DIGESTS]
    if deprecated:
        info["deprecated_digests"] = deprecated
    return info
