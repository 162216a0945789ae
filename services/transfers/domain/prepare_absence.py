"""T6, T8: the student's consent to be kept. T13: the steps of the preparation that only the mentor can know of."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from services.chassis.refusal import Refused
from services.transfers.domain.absence import Consent, ConsentRecorded, Declared, Preparation, PreparationTicked
from services.transfers.domain.advice import advise
from services.transfers.domain.student import Enrolled

TICKED_BY_HAND: Final = frozenset({Preparation.PEERS_ASKED, Preparation.STUDENTS_WARNED})


@dataclass(frozen=True, slots=True)
class RecordConsent:
    student_id: UUID
    consent: Consent
    sessions_missed: int
    now: datetime


@dataclass(frozen=True, slots=True)
class TickPreparation:
    item: Preparation
    done: bool
    now: datetime


def decide_consent(command: RecordConsent, absence: Declared, student: Enrolled) -> list[ConsentRecorded]:
    """Only where keeping is possible at all: one missed session, and not an apprentice (T7)."""
    if student.mentor_id != absence.mentor_id:
        raise Refused(
            "student_not_concerned",
            "Cet étudiant n'est pas ou plus accompagné par le mentor absent.",
            "The absent mentor does not accompany this student, or no longer does.",
        )
    known = absence.consents.get(command.student_id)
    if known is not None and known.consent is command.consent:
        return []
    advice = advise(student.profile.funding, sessions_missed=command.sessions_missed, consent=Consent.NOT_ASKED)
    if not advice.may_keep:
        raise Refused("keep_not_possible", advice.fr, advice.en, errors=[{"rule": advice.rule}])
    return [ConsentRecorded(command.student_id, command.consent, command.sessions_missed, command.now)]


def decide_tick(command: TickPreparation, absence: Declared) -> list[PreparationTicked]:
    """The other steps are seen from what has been done: the capacity, the comments, the transfers."""
    if command.item not in TICKED_BY_HAND:
        raise Refused(
            "preparation_is_observed",
            "Cette étape se coche d'elle-même, dès qu'elle est faite.",
            "This step ticks itself as soon as it is done.",
        )
    if (command.item in absence.ticked) == command.done:
        return []
    return [PreparationTicked(command.item, command.done, command.now)]
