"""Tokens: what tempauth hands out, and which groups a token stands for (formats.md 7.9).

Three kinds, told apart by what follows the reseller prefix:
``tk``   a random name; its groups lie in memcached, as Swift's proxies keep them.
``ftk``, ``zftk``   the groups, encrypted under a configured Fernet key (``z``: compressed); any proxy with the key reads it.
``stk``  the groups and an expiry, signed under a key that this server made when it started: what is used where neither
memcached nor a Fernet key is configured, or memcached does not answer. All workers of the server know the key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
import uuid
import zlib
from collections.abc import Mapping
from typing import Any

from swiftlite.common.cache import Cache, CacheUnreachable
from swiftlite.middleware.tempauth.users import BadOption, TempAuthConf, User

REMEMBERED = 10000
"""Tokens whose groups one process remembers."""

_EXPIRY = struct.Struct(">Q")
_SIGNATURE_BYTES = 32


class FernetTokens:
    """Encrypts and decrypts under configured keys.

    :param keys: key id to key
    :raises BadOption: when a key is none, or the cryptography package is missing
    """

    def __init__(self, keys: Mapping[str, str]) -> None:
        try:
            from cryptography import fernet  # 8 MB a process: only for those who configure it
        except ImportError:
            problem = "the cryptography package is not installed (pip install cryptography)"
            raise BadOption(f"fernet_key_{min(keys)}", problem) from None
        self._invalid = fernet.InvalidToken
        self._keys = {}
        for identity, key in keys.items():
            try:
                self._keys[identity] = fernet.Fernet(key)
            except ValueError as error:
                raise BadOption(f"fernet_key_{identity}", str(error)) from None
        self._any = fernet.MultiFernet([self._keys[identity] for identity in sorted(self._keys)])

    def encrypt(self, groups: str, key: str, now: float) -> str:
        """The token without reseller prefix."""
        plain = groups.encode("utf-8", "surrogateescape")
        packed = zlib.compress(plain)
        kind, data = ("zftk", packed) if len(packed) < len(plain) else ("ftk", plain)
        encrypted: bytes = self._keys[key].encrypt_at_time(data, int(now))
        return kind + encrypted.decode("ascii")

    def decrypt(self, token: str, life: int, now: float) -> tuple[float, str] | None:
        """When a token without reseller prefix expires, and its groups; None when it is invalid or expired."""
        kind, _, text = token.partition("tk")
        try:
            encrypted = text.encode("ascii")
            data: bytes = self._any.decrypt_at_time(encrypted, life, int(now))
            expires = self._any.extract_timestamp(encrypted) + life
            return expires, (zlib.decompress(data) if kind == "zf" else data).decode("utf-8", "surrogateescape")
        except (ValueError, zlib.error, self._invalid):
            return None


def sign(key: bytes, groups: str, expires: int) -> str:
    """A signed token without reseller prefix.

    :param key: 32 secret bytes
    :param expires: seconds since the epoch
    """
    payload = _EXPIRY.pack(expires) + groups.encode("utf-8", "surrogateescape")
    signature = hmac.digest(key, payload, hashlib.sha256)
    return "stk" + base64.urlsafe_b64encode(signature + payload).decode("ascii").rstrip("=")


def read_signed(key: bytes, token: str) -> tuple[float, str] | None:
    """When a signed token without reseller prefix expires, and its groups; None when the signature is not ours."""
    text = token.removeprefix("stk")
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    signature, payload = data[:_SIGNATURE_BYTES], data[_SIGNATURE_BYTES:]
    if len(payload) < _EXPIRY.size or not hmac.compare_digest(signature, hmac.digest(key, payload, hashlib.sha256)):
        return None
    return _EXPIRY.unpack_from(payload)[0], payload[_EXPIRY.size :].decode("utf-8", "surrogateescape")


class Tokens:
    """Makes tokens and reads them.

    :param key: 32 random bytes, the same in all workers
    :raises BadOption: when a Fernet key cannot be used
    """

    def __init__(self, conf: TempAuthConf, key: bytes) -> None:
        self._conf = conf
        self._life = conf.options.token_life
        self._key = key
        self._fernet = FernetTokens(conf.fernet_keys) if conf.fernet_keys else None
        self._known: dict[str, tuple[float, str]] = {}

    def issue(self, user: User, cache: Cache | None, now: float) -> tuple[str, float]:
        """A token for the user and when it expires; one that memcached still has is given out again."""
        prefix, groups = self._conf.prefix, self._conf.groups_of(user)
        expires = now + self._life
        try:
            kept = self._kept(user, groups, cache, now)
            if kept:
                return kept
            active = self._conf.options.active_fernet_key_id
            if self._fernet and active:
                return prefix + self._fernet.encrypt(groups, active, now), expires
            if cache is not None and cache.store is not None:
                token = f"{prefix}tk{uuid.uuid4().hex}"
                cache.set(f"{prefix}/token/{token}", [expires, groups], self._life, strict=True)
                cache.set(f"{prefix}/user/{user.identity}", token, self._life, strict=True)
                return token, expires
        except CacheUnreachable:
            pass
        return prefix + sign(self._key, groups, int(expires)), int(expires)

    def _kept(self, user: User, groups: str, cache: Cache | None, now: float) -> tuple[str, float] | None:
        """The token that memcached has for the user, if its groups are still those of the conf file."""
        if cache is None or cache.store is None:
            return None
        prefix = self._conf.prefix
        token = cache.get(f"{prefix}/user/{user.identity}", strict=True)
        found = _stored(cache.get(f"{prefix}/token/{token}", strict=True)) if token else None
        if found and found[0] > now and set(found[1].split(",")) == set(groups.split(",")):
            return token, found[0]
        return None

    def groups(self, token: str, cache: Cache | None, now: float) -> str | None:
        """The groups that a token stands for, comma-separated; None for a token that is unknown or expired.

        :param token: must start with the reseller prefix
        """
        bare = token[len(self._conf.prefix) :]
        found = self._read_stored(token, cache) if bare.startswith("tk") else self._read_sealed(token, bare, now)
        return found[1] if found and found[0] > now else None

    def _read_stored(self, token: str, cache: Cache | None) -> tuple[float, str] | None:
        if cache is None:
            return None
        try:
            found = _stored(cache.get(f"{self._conf.prefix}/token/{token}", strict=True))
        except CacheUnreachable:
            return self._known.get(token)  # whom this process has let in stays in
        if found is None:
            self._known.pop(token, None)
        elif token not in self._known:
            self._remember(token, found)
        return found

    def _read_sealed(self, token: str, bare: str, now: float) -> tuple[float, str] | None:
        found = self._known.get(token)
        if found is not None:
            return found
        if bare.startswith("stk"):
            found = read_signed(self._key, bare)
        elif self._fernet and bare.startswith(("ftk", "zftk")):
            found = self._fernet.decrypt(bare, self._life, now)
        if found is not None:
            self._remember(token, found)
        return found

    def _remember(self, token: str, found: tuple[float, str]) -> None:
        if len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[token] = found


def _stored(value: Any) -> tuple[float, str] | None:
    """What memcached has for a token, ``[expires, groups]``; None for anything else."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[1], str):
        return float(value[0]), value[1]
    return None
