"""From addresses to accounts: which ids the rows get, and which addresses nobody has."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from services.chassis.ids import derived_id
from services.cli.importing.gathering import Gathered
from services.cli.importing.rows import CancelledFor, Moved, Outcome, Placed, Problem, Row, Session, TookPlace

DEFAULT_ZONE = "Europe/Paris"
"""Only for a mentor whom no file names and whose zone Relais didn't tell."""


@dataclass(frozen=True, slots=True)
class KnownMentor:
    mentor_id: UUID
    timezone: str


@dataclass(frozen=True, slots=True)
class KnownStudent:
    student_id: UUID
    mentor_id: UUID


@dataclass
class Accounts:
    """The accounts that Relais knows, and those of the files; an address known already keeps its id."""

    mentors: dict[str, KnownMentor] = field(default_factory=dict)
    students: dict[str, KnownStudent] = field(default_factory=dict)
    transfers: dict[UUID, list[tuple[datetime, UUID]]] = field(default_factory=dict)

    def zones(self) -> dict[UUID, str]:
        """The time zone of each mentor."""
        return {known.mentor_id: known.timezone for known in self.mentors.values()}

    def mentor_at(self, student: KnownStudent, moment: datetime) -> UUID:
        """The student's mentor at ``moment``, as far as the files tell; else the one they have."""
        mentor_id = student.mentor_id
        for at, to_mentor_id in self.transfers.get(student.student_id, ()):
            if at <= moment:
                mentor_id = to_mentor_id
        return mentor_id

    def forget(self, row: Row) -> None:
        """Leaves out an account that was refused, so that what needs it becomes a problem too."""
        ids = {row.get("mentor_id") if row["kind"] == "mentor" else row.get("student_id")}
        self.mentors = {email: known for email, known in self.mentors.items() if str(known.mentor_id) not in ids}
        self.students = {email: known for email, known in self.students.items() if str(known.student_id) not in ids}


def place_people(gathered: Gathered, accounts: Accounts, problem: Callable[[Problem], None]) -> Iterator[Placed]:
    """Mentors, then each student with their transfers; ``accounts`` learns all of them."""
    for email, (file, mentor) in gathered.mentors.items():
        if email in accounts.students:
            problem(_other_account(file, mentor.line, email, "étudiant", "student"))
            continue
        known = accounts.mentors.get(email)
        mentor_id = known.mentor_id if known else derived_id("mentor", email)
        accounts.mentors[email] = KnownMentor(mentor_id, mentor.timezone)
        yield Placed(
            file,
            mentor.line,
            {
                "kind": "mentor",
                "mentor_id": str(mentor_id),
                "email": email,
                "name": mentor.name,
                "capacity": mentor.capacity,
                "paths": mentor.paths,
                "projects": mentor.projects,
                "timezone": mentor.timezone,
            },
        )
    students = list(_place_students(gathered, accounts, problem))
    transfers: dict[str, list[Placed]] = {}
    for transfer in _place_transfers(gathered, accounts, problem):
        transfers.setdefault(transfer.row["student_id"], []).append(transfer)
    for student in students:
        yield student
        yield from transfers.pop(student.row["student_id"], ())
    for of_known_student in transfers.values():
        yield from of_known_student


def _place_students(gathered: Gathered, accounts: Accounts, problem: Callable[[Problem], None]) -> Iterator[Placed]:
    transferred = {transfer.student_email for _, transfer in gathered.transfers}
    for email, (file, student) in gathered.students.items():
        if email in accounts.mentors:
            problem(_other_account(file, student.line, email, "mentor", "mentor"))
            continue
        mentor = accounts.mentors.get(student.mentor_email)
        if mentor is None:
            problem(_no_mentor(file, student.line, student.mentor_email))
            continue
        known = accounts.students.get(email)
        student_id = known.student_id if known else derived_id("student", email)
        # Where the files tell the transfers, they lead from the mentor of the file to the present one.
        if known is None or email in transferred:
            accounts.students[email] = KnownStudent(student_id, mentor.mentor_id)
        yield Placed(
            file,
            student.line,
            {
                "kind": "student",
                "student_id": str(student_id),
                "email": email,
                "name": student.name,
                "path": student.path,
                "project": student.project,
                "funding": student.funding,
                "training_day": student.training_day,
                "mentor_id": str(mentor.mentor_id),
                "language": student.language,
                "enrolled_at": instant(student.enrolled_at),
            },
        )


def _place_transfers(gathered: Gathered, accounts: Accounts, problem: Callable[[Problem], None]) -> Iterator[Placed]:
    for file, transfer in gathered.transfers:
        student, mentor = accounts.students.get(transfer.student_email), accounts.mentors.get(transfer.mentor_email)
        if student is None:
            problem(_no_student(file, transfer.line, (transfer.student_email,)))
        if mentor is None:
            problem(_no_mentor(file, transfer.line, transfer.mentor_email))
        if student is None or mentor is None:
            continue
        accounts.transfers.setdefault(student.student_id, []).append((transfer.at, mentor.mentor_id))
        expected = transfer.expected_return_on
        yield Placed(
            file,
            transfer.line,
            {
                "kind": "transfer",
                "student_id": str(student.student_id),
                "to_mentor_id": str(mentor.mentor_id),
                "at": instant(transfer.at),
                "transfer_kind": transfer.kind,
                "expected_return_on": expected.isoformat() if expected else None,
            },
        )


def place_session(file: str, session: Session, accounts: Accounts, zones: Mapping[UUID, str]) -> Placed | Problem:
    """The session with its ids: derived from the student's address and the session's own key, so the same each time.

    ``zones`` are those of ``accounts``, for sessions whose file names no time zone.
    """
    students = [address for address in session.addresses if address in accounts.students]
    if not students:
        return _no_student(file, session.line, session.addresses)
    if len(students) > 1:
        listed = ", ".join(students)
        return Problem(
            file,
            session.line,
            f"Plusieurs étudiants participent ({listed}) : une session a un seul étudiant, faites-en une chacun.",
            f"Several students take part ({listed}): a session has one student, make one for each.",
        )
    student = accounts.students[students[0]]
    mentor = _mentor_of(session, student, accounts)
    if mentor is None:
        return _no_mentor(file, session.line, session.mentor_email or "")
    return Placed(
        file,
        session.line,
        {
            "session_id": str(derived_id("session", students[0], *session.key)),
            "student_id": str(student.student_id),
            "mentor_id": str(mentor),
            "starts_at": instant(session.starts_at),
            "duration_minutes": session.duration_minutes,
            "timezone": session.timezone or zones.get(mentor, DEFAULT_ZONE),
            "scheduled_at": instant(session.scheduled_at),
            "history": [_entry(entry) for entry in session.history],
        },
    )


def _mentor_of(session: Session, student: KnownStudent, accounts: Accounts) -> UUID | None:
    if session.mentor_email is not None:
        named = accounts.mentors.get(session.mentor_email)
        return named.mentor_id if named else None
    present = (accounts.mentors[address].mentor_id for address in session.addresses if address in accounts.mentors)
    moved = [entry.starts_at for entry in session.history if isinstance(entry, Moved)]
    return next(present, None) or accounts.mentor_at(student, moved[-1] if moved else session.starts_at)


def _entry(entry: Outcome) -> Row:
    match entry:
        case Moved():
            return {
                "type": "rescheduled",
                "at": instant(entry.at),
                "starts_at": instant(entry.starts_at),
                "requested_by": entry.requested_by,
            }
        case CancelledFor():
            return {
                "type": "cancelled",
                "at": instant(entry.at),
                "reason": entry.reason,
                "notice_at": instant(entry.notice_at) if entry.notice_at else None,
                "cause": entry.cause,
                "note": entry.note,
            }
        case TookPlace():
            return {"type": "held", "at": instant(entry.at)}


def instant(moment: datetime) -> str:
    """RFC 3339 in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _no_student(file: str, line: int, addresses: Sequence[str]) -> Problem:
    listed = ", ".join(addresses)
    return Problem(
        file,
        line,
        f"Aucun étudiant n’a cette adresse : {listed}. Corrigez-la, ou ajoutez la personne à people.csv.",
        f"No student has this address: {listed}. Mend it, or add the person to people.csv.",
    )


def _no_mentor(file: str, line: int, address: str) -> Problem:
    return Problem(
        file,
        line,
        f"Aucun mentor n’a cette adresse : {address}. Corrigez-la, ou ajoutez la personne à people.csv.",
        f"No mentor has this address: {address}. Mend it, or add the person to people.csv.",
    )


def _other_account(file: str, line: int, address: str, fr: str, en: str) -> Problem:
    return Problem(
        file,
        line,
        f"{address} est déjà l’adresse d’un compte {fr} : donnez-en une autre.",
        f"{address} is the address of a {en} account already: give another one.",
    )
