"""The aggregates that one command loads, and what it decided about them."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from services.chassis.event_store import Change, EventStore
from services.chassis.refusal import NotFound
from services.transfers.domain import absence, mentor, student
from services.transfers.domain.absence import Absence, AbsenceEvent, Declared, Ended, NotDeclared
from services.transfers.domain.mentor import Mentor, MentorEvent, NotRegistered, Registered
from services.transfers.domain.pairing import Decided, Event
from services.transfers.domain.student import Enrolled, NotEnrolled, Student


class Work:
    """Loads mentors and students, keeps what is decided, and gives it as the changes of one append."""

    def __init__(self, store: EventStore, *, as_of: datetime | None = None) -> None:
        self._store = store
        self.as_of = as_of
        self._versions: dict[UUID, int] = {}
        self._mentors: dict[UUID, Mentor] = {}
        self._students: dict[UUID, Student] = {}
        self._absences: dict[UUID, Absence] = {}
        self._decided: dict[UUID, list[Event]] = {}
        self.decided_count = 0

    def load(self, *aggregate_ids: UUID) -> None:
        """Reads what is not loaded yet, in one statement."""
        missing = [aggregate_id for aggregate_id in aggregate_ids if aggregate_id not in self._versions]
        if not missing:
            return
        for aggregate_id, stream in self._store.load_many(missing).items():
            events = [event for event in stream if self.as_of is None or event.recorded_at <= self.as_of]
            self._versions[aggregate_id] = events[-1].version if events else 0
            for event in events:
                self._evolve(aggregate_id, event.data)

    def mentor(self, mentor_id: UUID) -> Mentor:
        self.load(mentor_id)
        return self._mentors.get(mentor_id, NotRegistered())

    def student(self, student_id: UUID) -> Student:
        self.load(student_id)
        return self._students.get(student_id, NotEnrolled())

    def registered(self, mentor_id: UUID) -> Registered:
        """Raises NotFound."""
        found = self.mentor(mentor_id)
        if isinstance(found, NotRegistered):
            raise NotFound("mentor_unknown", "Ce mentor n'a pas de compte.", "This mentor has no account.")
        return found

    def enrolled(self, student_id: UUID) -> Enrolled:
        """Raises NotFound."""
        found = self.student(student_id)
        if isinstance(found, NotEnrolled):
            raise NotFound("student_unknown", "Cet étudiant n'a pas de compte.", "This student has no account.")
        return found

    def absence(self, absence_id: UUID) -> Absence:
        self.load(absence_id)
        return self._absences.get(absence_id, NotDeclared())

    def declared(self, absence_id: UUID) -> Declared | Ended:
        """Raises NotFound."""
        found = self.absence(absence_id)
        if isinstance(found, NotDeclared):
            raise NotFound("absence_unknown", "Cette absence n'existe pas.", "There is no such absence.")
        return found

    def loaded_version(self, aggregate_id: UUID) -> int:
        """The version as stored: what If-Match is compared with."""
        self.load(aggregate_id)
        return self._versions[aggregate_id]

    def version(self, aggregate_id: UUID) -> int:
        """The version with what has been decided."""
        return self.loaded_version(aggregate_id) + len(self._decided.get(aggregate_id, ()))

    def decided(self, aggregate_id: UUID, events: Iterable[Event]) -> None:
        self.decided_together([(aggregate_id, event) for event in events])

    def decided_together(self, decided: Decided) -> None:
        """Takes the events in; later decisions of the same command stand on them."""
        self.load(*(aggregate_id for aggregate_id, _ in decided))
        for aggregate_id, event in decided:
            self._decided.setdefault(aggregate_id, []).append(event)
            self.decided_count += 1
            self._evolve(aggregate_id, event)

    def changes(self) -> list[Change]:
        return [Change(who, self._versions[who], events) for who, events in self._decided.items()]

    def _evolve(self, aggregate_id: UUID, event: Event) -> None:
        if isinstance(event, MentorEvent):
            self._mentors[aggregate_id] = mentor.evolve(self._mentors.get(aggregate_id, NotRegistered()), event)
        elif isinstance(event, AbsenceEvent):
            self._absences[aggregate_id] = absence.evolve(self._absences.get(aggregate_id, NotDeclared()), event)
        else:
            self._students[aggregate_id] = student.evolve(self._students.get(aggregate_id, NotEnrolled()), event)
