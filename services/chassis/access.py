"""Who may see and do what. Each service lists its rules in ``edges/access.py``, by role:

READ = Rule(mentor=HOLDS | ACCOMPANIES | LENDS, student=IS, support=ALL)

A role that a rule does not name is refused (403) before anything is read. A tie is looked for between the accounts of
the token's e-mail and whose the thing is. Somebody else's is 403 ``forbidden``; a list holds what the person may see.
"""

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Flag, auto
from functools import wraps
from typing import Any, Final, ParamSpec, Protocol, TypeVar
from uuid import UUID

from services.chassis.accounts import Companions
from services.chassis.auth import Principal
from services.chassis.http import command_request, require
from services.chassis.refusal import Forbidden

ACCOUNT_PATIENCE_S: Final = 5.0
TIE_PATIENCE_S: Final = 1.0
LOOK_AGAIN_S: Final = 0.02
MAX_WAITING: Final = 4

P = ParamSpec("P")
T = TypeVar("T")

_waiting = threading.BoundedSemaphore(MAX_WAITING)


class Tie(Flag):
    """How a person may stand to what they ask for; of several, any will do."""

    ALL = auto()
    """No tie is needed: the role may see everybody's."""
    HOLDS = auto()
    """A mentor whose own it is: the session that they hold, their statement."""
    ACCOMPANIES = auto()
    """The student's present mentor."""
    LENDS = auto()
    """A mentor to whom the student is to come back."""
    IS = auto()
    """The student whose own it is."""
    ACCOMPANIED = auto()
    """A student whom this mentor accompanies, or who is to come back to them."""


ALL, HOLDS, ACCOMPANIES, LENDS = Tie.ALL, Tie.HOLDS, Tie.ACCOMPANIES, Tie.LENDS
IS, ACCOMPANIED = Tie.IS, Tie.ACCOMPANIED


class Rule:
    """The tie that each role needs; other roles are refused."""

    def __init__(self, **ties: Tie) -> None:
        self.ties = ties

    @property
    def person(self) -> Any:
        """``Annotated[Principal, READ.person]``: 401 without a token, 403 for a role that the rule does not name."""
        return require(*self.ties)

    @property
    def command(self) -> Any:
        """``Annotated[CommandRequest, CHANGE.command]``: the same for a command."""
        return command_request(*self.ties)


class People(Protocol):
    """Whose accounts there are; ``accounts.Accounts`` is one."""

    def ids_of(self, role: str, email: str) -> frozenset[UUID]: ...
    def companions_of(self, student_id: UUID) -> Companions | None: ...
    def students_of(self, mentor_ids: Collection[UUID]) -> list[UUID]: ...


class NotYours(Forbidden):
    """No tie is known. It may be on its way: within ``patience_s`` it is worth another look."""

    def __init__(self, *, patience_s: float) -> None:
        super().__init__(
            "forbidden",
            "Cela ne vous concerne pas, ni une personne que vous accompagnez. Le support peut vous aider.",
            "This is neither yours nor of a person whom you accompany. Support can help you.",
        )
        self.patience_s = patience_s


@dataclass(frozen=True, slots=True)
class Own:
    """What a list may hold for somebody: what their ``mentor_ids`` hold, and all of ``student_ids``."""

    mentor_ids: list[UUID]
    student_ids: list[UUID]


class Guard:
    """Refuses what a rule does not allow. The patience is for what ``people`` may not know yet."""

    def __init__(
        self,
        people: People,
        *,
        account_patience_s: float = ACCOUNT_PATIENCE_S,
        tie_patience_s: float = TIE_PATIENCE_S,
    ) -> None:
        self._people = people
        self._account_patience_s = account_patience_s
        self._tie_patience_s = tie_patience_s

    def check(
        self,
        rule: Rule,
        person: Principal,
        *,
        mentor_id: UUID | None = None,
        student_id: UUID | None = None,
        companions: Companions | None = None,
    ) -> None:
        """Raises NotYours unless the person may, of what ``mentor_id`` holds and is about ``student_id``.

        ``companions`` are the student's, where the caller knows them already.
        """
        tie = rule.ties[person.role]
        if ALL in tie:
            return
        own = self.own_ids(person)
        if not own:
            raise NotYours(patience_s=self._account_patience_s)
        if (HOLDS in tie and mentor_id in own) or (IS in tie and student_id in own):
            return
        if ACCOMPANIED in tie and any(self._accompany(ACCOMPANIES | LENDS, {mentor_id}, one) for one in own):
            return
        if (student_id or companions) and self._accompany(tie, own, student_id, companions):
            return
        raise NotYours(patience_s=self._tie_patience_s)

    def own(
        self, rule: Rule, person: Principal, *, mentor_id: UUID | None = None, student_id: UUID | None = None
    ) -> Own | None:
        """What a list may hold, None for everything. Raises NotYours where a filter asks for somebody else's.

        A mentor may filter what they hold by any student, a student their own by any mentor.
        """
        tie = rule.ties[person.role]
        if ALL in tie:
            return None
        own = self.own_ids(person)
        if IS in tie:
            if student_id is not None:
                self.check(rule, person, student_id=student_id)
            return Own([], list(own))
        if mentor_id is not None or student_id is not None:
            if mentor_id in own:
                return Own(list(own), [])
            self.check(rule, person, student_id=student_id)
        return Own(list(own), self._people.students_of(own))

    def own_ids(self, person: Principal) -> frozenset[UUID]:
        """The accounts that the person has in their role."""
        return self._people.ids_of(person.role, person.email)

    def _accompany(
        self, tie: Tie, mentor_ids: Collection[UUID | None], student_id: UUID | None, known: Companions | None = None
    ) -> bool:
        companions = known or (self._people.companions_of(student_id) if student_id is not None else None)
        return companions is not None and (
            (ACCOMPANIES in tie and companions.mentor_id in mentor_ids)
            or (LENDS in tie and any(lender_id in mentor_ids for lender_id in companions.lender_ids))
        )


def patient(route: Callable[P, T]) -> Callable[P, T]:
    """A route that looks again, for a while, where it refuses what may only not have arrived yet.

    Few may wait at once, so that refusals never hold up the others; the rest are refused at the first look.
    """

    @wraps(route)
    def looking_again(*args: P.args, **kwargs: P.kwargs) -> T:
        began = time.monotonic()
        try:
            return route(*args, **kwargs)
        except NotYours:
            if not _waiting.acquire(blocking=False):
                raise
        try:
            while True:
                time.sleep(LOOK_AGAIN_S)
                try:
                    return route(*args, **kwargs)
                except NotYours as refusal:
                    if time.monotonic() - began >= refusal.patience_s:
                        raise
        finally:
            _waiting.release()

    return looking_again
