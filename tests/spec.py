"""Given / when / then over pure rules: ``given(*events).when(command).then(*events)``.

A service binds it once to its own ``decide`` and ``evolve``::

    given = Specification(decide, evolve, initial=None).given

    given(scheduled(at=START)).when(cancel(STUDENT_LATE, notice_at=START - DAY)).then_refused("reason_not_offered")
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.chassis.refusal import Refused

Command = TypeVar("Command")
State = TypeVar("State")
Event = TypeVar("Event")


@dataclass(frozen=True)
class Specification(Generic[Command, State, Event]):
    """The rules of one aggregate: ``decide(command, state) -> events`` and ``evolve(state, event) -> state``."""

    decide: Callable[[Command, State], Sequence[Event]]
    evolve: Callable[[State, Event], State]
    initial: State

    def given(self, *events: Event) -> "Given[Command, State, Event]":
        """What has happened; nothing where no events are given."""
        state = self.initial
        for event in events:
            state = self.evolve(state, event)
        return Given(self, state)


@dataclass(frozen=True)
class Given(Generic[Command, State, Event]):
    """The state from which a command is decided."""

    specification: Specification[Command, State, Event]
    state: State

    def when(self, command: Command) -> "When[Command, State, Event]":
        """Decides ``command``; what came of it is held until a ``then``."""
        try:
            return When(self, command, list(self.specification.decide(command, self.state)), None)
        except Refused as refusal:
            return When(self, command, [], refusal)


@dataclass(frozen=True)
class When(Generic[Command, State, Event]):
    """What a command came to: events, or a refusal."""

    given: Given[Command, State, Event]
    command: Command
    events: list[Event]
    refusal: Refused | None

    def then(self, *expected: Event) -> Given[Command, State, Event]:
        """Exactly these events, compared whole. Gives the state after them, so that a story goes on with ``when``."""
        assert expected, "then() without events says nothing: then_nothing() is meant"
        assert self.refusal is None, f"{self.command} was refused: {self.refusal}"
        assert self.events == list(expected)
        state = self.given.state
        for event in self.events:
            state = self.given.specification.evolve(state, event)
        return Given(self.given.specification, state)

    def then_nothing(self) -> Given[Command, State, Event]:
        """Accepted, and quiet: it is already so."""
        assert self.refusal is None, f"{self.command} was refused: {self.refusal}"
        assert self.events == []
        return self.given

    def then_refused(self, code: str) -> Refused:
        """Refused with ``code``, in sentences in both languages; gives the refusal, for its details."""
        assert self.refusal is not None, f"{self.command} was accepted: {self.events}"
        assert self.refusal.code == code
        assert self.refusal.fr.endswith("."), f"no French sentence: {self.refusal.fr!r}"
        assert self.refusal.en.endswith("."), f"no English sentence: {self.refusal.en!r}"
        return self.refusal
