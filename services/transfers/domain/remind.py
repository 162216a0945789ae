"""T16, T17: reminders, and never an automatic transfer (T3)."""

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from services.transfers.domain.absence import AbsenceReminderDue, Declared, Ended, ReminderKind
from services.transfers.domain.absence_plan import Plan


@dataclass(frozen=True, slots=True)
class Remind:
    now: datetime


def decide(command: Remind, absence: Declared | Ended, plan: Plan) -> list[AbsenceReminderDue]:
    """From 72 h before departure, if students are waiting; from the return on, if some are to come back. Once each."""
    match absence:
        case Ended():
            return _of_return(command, absence.absence, plan)
        case Declared() if command.now >= absence.period.to_at:
            return _of_return(command, absence, plan)
        case Declared() if command.now >= absence.help_deadline_at:
            return _of_help_deadline(command, absence, plan)
        case Declared():
            return []
        case _:
            assert_never(absence)


def _of_help_deadline(command: Remind, absence: Declared, plan: Plan) -> list[AbsenceReminderDue]:
    if not plan.waiting or ReminderKind.HELP_DEADLINE in absence.reminded:
        return []
    return [_reminder(command, absence, plan, ReminderKind.HELP_DEADLINE)]


def _of_return(command: Remind, absence: Declared, plan: Plan) -> list[AbsenceReminderDue]:
    if not plan.away or ReminderKind.RETURN in absence.reminded:
        return []
    return [_reminder(command, absence, plan, ReminderKind.RETURN)]


def _reminder(command: Remind, absence: Declared, plan: Plan, kind: ReminderKind) -> AbsenceReminderDue:
    about = plan.waiting if kind is ReminderKind.HELP_DEADLINE else plan.away
    replacements = {entry.student.mentor_id for entry in plan.students if entry.student_id in about}
    return AbsenceReminderDue(
        mentor_id=absence.mentor_id,
        kind=kind,
        period=absence.period,
        students=about,
        replacements=tuple(sorted(replacements - {absence.mentor_id})),
        due_at=command.now,
    )
