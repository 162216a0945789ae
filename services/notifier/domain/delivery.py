"""What becomes of an e-mail after the server's reply. Pure.

A refusal for good (5xx) ends it; anything else is tried again, with growing pauses, at most MAX_ATTEMPTS times: for
more than a day. An unreachable server is no attempt at all.
"""

from dataclasses import dataclass
from typing import Final

MAX_ATTEMPTS: Final = 36
FIRST_PAUSE_S: Final = 2.0
MAX_PAUSE_S: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server said 250 after the data: from here on the message is its own to deliver."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The server (or the message's own form) refuses for good."""

    reason: str


@dataclass(frozen=True, slots=True)
class Uncertain:
    """A temporary refusal (4xx), or no answer: perhaps it went, perhaps not. The next try has the same Message-ID."""

    reason: str


Reply = Accepted | Refused | Uncertain


def pause_after(reply: Reply, attempts: int) -> float | None:
    """Seconds until the next try after ``attempts`` of them, this one included; None where there is none."""
    if not isinstance(reply, Uncertain) or attempts >= MAX_ATTEMPTS:
        return None
    return min(FIRST_PAUSE_S * 2.0 ** (attempts - 1), MAX_PAUSE_S)
