"""How fast one person may ask: a bucket of tokens for each, so that nobody uses up what others need."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

from services.chassis.refusal import Refused

REQUESTS_PER_S: Final = 500.0
BURST_S: Final = 2.0
"""What was not asked for is saved up for so long."""
MAX_PEOPLE: Final = 4_096


class TooManyRequests(Refused):
    """The person asks faster than allowed; the same request may be sent again after ``retry_after_s``."""

    status: ClassVar[int] = 429

    def __init__(self, *, retry_after_s: int) -> None:
        super().__init__(
            "too_many_requests",
            "Vous envoyez trop de demandes à la fois : attendez un instant et recommencez.",
            "You are sending too many requests at once: wait a moment and try again.",
        )
        self.retry_after_s = retry_after_s


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class RateLimit:
    """``admit`` counts a request of a person. Each process counts for itself. 0 a second: no limit."""

    def __init__(
        self, requests_per_s: float = REQUESTS_PER_S, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_s = requests_per_s
        self._most = max(1.0, requests_per_s * BURST_S)
        self._monotonic = monotonic
        self._buckets: dict[str, _Bucket] = {}
        self._lock = threading.Lock()

    def admit(self, person: str) -> None:
        """Raises TooManyRequests where the person's bucket is empty."""
        if self._per_s == 0:
            return
        now = self._monotonic()
        with self._lock:
            bucket = self._buckets.get(person)
            if bucket is None:
                if len(self._buckets) >= MAX_PEOPLE:  # Whoever was first to ask starts anew, with a full one.
                    self._buckets.pop(next(iter(self._buckets)))
                bucket = self._buckets[person] = _Bucket(self._most, now)
            bucket.tokens = min(self._most, bucket.tokens + (now - bucket.filled_at) * self._per_s)
            bucket.filled_at = now
            if bucket.tokens < 1:
                raise TooManyRequests(retry_after_s=max(1, math.ceil((1 - bucket.tokens) / self._per_s)))
            bucket.tokens -= 1
