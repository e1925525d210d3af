"""Logins: is it the right password, and were there not too many wrong ones lately?"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any

from swiftlite.common.cache import Cache
from swiftlite.common.concurrency import Semaphore
from swiftlite.common.passwords import Passwords
from swiftlite.core.login_limits import Limit, counted_address, seconds_left, window_of
from swiftlite.middleware.identity.options import IdentityOptions
from swiftlite.middleware.tempauth.users import User


class TooManyLogins(Exception):
    """There were too many wrong logins.

    :param seconds: when to try again
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many wrong logins: try again in {seconds} seconds.")
        self.seconds = seconds


class Logins:
    """Checks passwords, and counts wrong ones by user and by client address.

    The counters lie in the cache: in memcached all proxies count together, without it each process for itself.

    :param clock: seconds since the epoch
    """

    def __init__(
        self, passwords: Passwords, options: IdentityOptions, cache: Cache, clock: Callable[[], float] = time.time
    ) -> None:
        self.passwords = passwords
        self.options = options
        self._cache = cache
        self._clock = clock
        # One at a time: else who sends a thousand guesses at once had them all looked at before one is counted.
        self._turn = Semaphore(1)

    def match(self, environ: dict[str, Any], user: User | None, name: str, password: str) -> bool:
        """Whether it is the user's password.

        :param user: None when there is none of that name
        :param name: as it was sent: there is a limit even for users that there are not, or it would tell
        :raises TooManyLogins: when it was not even looked at
        """
        return self.attempt(
            environ, user.identity if user else name, lambda: self.passwords.match(user.key if user else None, password)
        )

    def attempt(self, environ: dict[str, Any], name: str, check: Callable[[], bool]) -> bool:
        """The same for another kind of secret.

        :param check: says whether it is right
        """
        with self._turn:
            window = self.check_limits(environ, name)
            if check():
                return True
            cache: Cache = environ.get("swift.cache") or self._cache
            for limit in self._limits(environ, name):
                cache.incr(f"{limit.key}/{window}", 1, self.options.login_window)
            return False

    def check_limits(self, environ: dict[str, Any], name: str) -> int:
        """Whether another attempt may be made; gives the window in which it counts.

        :raises TooManyLogins: when there were too many
        """
        cache: Cache = environ.get("swift.cache") or self._cache
        now = self._clock()
        window = window_of(now, self.options.login_window)
        for limit in self._limits(environ, name):
            if (cache.get(f"{limit.key}/{window}") or 0) >= limit.most:
                raise TooManyLogins(seconds_left(now, self.options.login_window))
        return window

    def _limits(self, environ: dict[str, Any], name: str) -> list[Limit]:
        options = self.options
        address = counted_address(environ.get("REMOTE_ADDR") or "")
        # A name may be long or odd: its digest is neither.
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
        limits = [
            Limit(f"identity/wrong/user/{digest}", options.login_failures_per_user),
            Limit(f"identity/wrong/address/{address}", options.login_failures_per_address),
        ]
        return [limit for limit in limits if limit.most > 0]
