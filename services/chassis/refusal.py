"""Refusals: what the business says no to, as a sentence that the person who asked understands.

Pure (standard library only), because the rules in every service's ``domain`` raise them. The HTTP edge turns each
into ``application/problem+json`` (RFC 9457) with the class's ``status`` and the refusal's ``code``.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar


class Refused(Exception):
    """A rule refuses the command; nothing changed.

    ``code`` is stable and meant for programs; ``fr`` and ``en`` are the sentences people read; ``errors`` holds
    further details, one mapping each (for a transfer: the four diagnoses).
    """

    status: ClassVar[int] = 422

    def __init__(self, code: str, fr: str, en: str, errors: Sequence[Mapping[str, object]] = ()) -> None:
        super().__init__(f"{code}: {en}")
        self.code = code
        self.fr = fr
        self.en = en
        self.errors = tuple(errors)


class Conflict(Refused):
    """The command conflicts with what already is: a session already held, an e-mail already taken."""

    status = 409


class NotFound(Refused):
    """What the command or query names does not exist."""

    status = 404


class Forbidden(Refused):
    """The person is known but has no right to do this."""

    status = 403


class Stale(Refused):
    """``If-Match`` names a version that is no longer the current one (RFC 9110, 412)."""

    status = 412


class Unavailable(Refused):
    """A server that the command needs is away; the same request may be sent again after ``retry_after_s``."""

    status = 503

    def __init__(self, code: str, fr: str, en: str, *, retry_after_s: int = 2) -> None:
        super().__init__(code, fr, en)
        self.retry_after_s = retry_after_s
