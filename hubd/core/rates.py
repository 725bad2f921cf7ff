"""Rates of requests and of failed sign-ins, per token, account or address; kept in memory."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter, SlidingWindowCounterRateLimiter

from hubd.config import Config
from hubd.errors import Busy
from hubd.types import Actor


@dataclass(frozen=True, slots=True)
class RateState:
    """What the ``RateLimit`` header fields say: requests and seconds."""

    limit: int
    remaining: int
    reset_seconds: int
    window_seconds: int


class Rates:
    """The limits in force and their counters."""

    def __init__(self, config: Config) -> None:
        storage = MemoryStorage()
        self._api = SlidingWindowCounterRateLimiter(storage)
        self._sign_in = MovingWindowRateLimiter(MemoryStorage())
        self._api_rate: RateLimitItem
        self._sign_in_rate: RateLimitItem
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Take up changed settings."""
        self._api_rate = parse(config.api_rate)
        self._sign_in_rate = parse(config.sign_in_rate)

    async def count_api(self, actor: Actor) -> RateState:
        """Count one request; raises ``Busy`` above the rate."""
        key = f"token {actor.token_id}" if actor.token_id else f"{actor.user_id} {actor.address}"
        allowed = await self._api.hit(self._api_rate, key)
        window = await self._api.get_window_stats(self._api_rate, key)
        reset = max(1, math.ceil(window.reset_time - time.time()))
        if not allowed:
            raise Busy("Too many requests.", retry_after=reset, hint=f"Try again in {reset} s.")
        return self._state(window.remaining, reset)

    def exhausted(self, retry_after: float) -> RateState:
        """What is told with a refusal of ``count_api``."""
        return self._state(0, math.ceil(retry_after))

    def _state(self, remaining: int, reset: int) -> RateState:
        return RateState(self._api_rate.amount, remaining, reset, self._api_rate.get_expiry())

    async def check_sign_in(self, account: str, address: str) -> None:
        """Raise ``Busy`` if this account at this address, or this address, failed too often.

        The account alone never counts: a stranger must not be able to lock somebody out.
        """
        for key in (f"{account.lower()}@{address}", f"@{address}"):
            if not await self._sign_in.test(self._sign_in_rate, key):
                raise Busy(
                    "Too many failed sign-ins.", retry_after=60, hint="Try again in a minute."
                )

    async def count_failed_sign_in(self, account: str, address: str) -> None:
        """Remember a failure."""
        for key in (f"{account.lower()}@{address}", f"@{address}"):
            await self._sign_in.hit(self._sign_in_rate, key)
