"""/console/config.json: what the page must know before anybody has logged in, found in the pipeline or the options."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from swiftlite import __version__
from swiftlite.common.config import ConfigError, is_true
from swiftlite.common.pipeline import section_options
from swiftlite.middleware.console.options import ConsoleOptions, Login, origin_of

V1_LOGIN = Login("v1", "/auth/v1.0")
KEYSTONE_TOKENS = "/v3/auth/tokens"
# How the sections of authtoken call Keystone's URL, the one meant for clients first.
KEYSTONE_URLS = ("www_authenticate_uri", "auth_uri", "auth_url")


@dataclass(frozen=True)
class Document:
    """The document's bytes, and other origins that the page may send requests to."""

    body: bytes
    origins: tuple[str, ...]


def config_document(options: ConsoleOptions, conf_path: str | None) -> Document:
    """What the page is told.

    :param conf_path: the proxy's conf file; None: there is none to look into
    """
    logins = options.logins or logins_of_pipeline(conf_path) or (V1_LOGIN,)
    foreign = [origin_of(login.url) for login in logins if not login.url.startswith("/")]
    document = {
        "version": __version__,
        "logins": [asdict(login) for login in logins],
        "storage_origins": list(options.storage_origins),
        "segment_size": options.segment_size,
        "parallel_uploads": options.parallel_uploads,
        "cluster_age": options.cluster_age,
        "requests_age": options.requests_age,
    }
    body = json.dumps(document, indent=2).encode() + b"\n"
    return Document(body, tuple(dict.fromkeys([*foreign, *options.storage_origins])))


def logins_of_pipeline(conf_path: str | None) -> tuple[Login, ...]:
    """The logins that the filters of a conf file's pipeline answer, in their order."""
    if conf_path is None:
        return ()
    try:
        pipeline = section_options(conf_path, "pipeline:main").get("pipeline", "")
    except ConfigError:  # whoever loads the pipeline says what is wrong with it
        return ()
    found: dict[Login, None] = {}
    for name in pipeline.split():
        try:
            section = section_options(conf_path, f"filter:{name}")
        except ConfigError:  # the application, or what another file has
            continue
        found |= dict.fromkeys(logins_of_filter(section))
    # The console asks for account and user at v1, which is less to type.
    return tuple(sorted(found, key=lambda login: login.kind))


def logins_of_filter(section: dict[str, str]) -> list[Login]:
    """The logins that one filter's section stands for."""
    factory = section.get("use") or section.get("paste.filter_factory") or ""
    name = factory.partition("#")[2]
    if name == "tempauth":
        prefix = section.get("auth_prefix", "/auth/").strip("/") or "auth"
        return [Login("v1", f"/{prefix}/v1.0")]
    if name == "identity":
        v1 = [V1_LOGIN] if is_true(section.get("v1", "true")) else []
        return [*v1, Login("v3", KEYSTONE_TOKENS)]
    if name == "authtoken" or factory.startswith("keystonemiddleware.auth_token"):
        urls = (section.get(option, "").strip().rstrip("/") for option in KEYSTONE_URLS)
        return [Login("v3", url.removesuffix("/v3") + KEYSTONE_TOKENS) for url in urls if _is_url(url)][:1]
    return []


def _is_url(text: str) -> bool:
    """Whether a browser could send requests there. What is none, or has a password in it, is no reason not to start."""
    try:
        return bool(origin_of(text))
    except ValueError:
        return False
