"""Words that the service's answers show, in French and in English."""

from collections.abc import Mapping
from typing import Final, Literal
from zoneinfo import ZoneInfo

from pydantic_core import PydanticCustomError

from services.sessions.domain.cancellation_reasons import AttendanceEffect
from services.sessions.domain.events import Cause, Reason, Status

InBoth = Mapping[Literal["fr", "en"], str]

CAUSES: Final[Mapping[Cause, InBoth]] = {
    Cause.MENTOR: {"fr": "Mentor", "en": "Mentor"},
    Cause.PLATFORM: {"fr": "Plateforme", "en": "Platform"},
    Cause.STUDENT: {"fr": "Étudiant", "en": "Student"},
    Cause.FORCE_MAJEURE: {"fr": "Force majeure", "en": "Force majeure"},
}

ATTENDANCE: Final[Mapping[AttendanceEffect, InBoth]] = {
    AttendanceEffect.EXCUSED: {
        "fr": "Dossier de l’étudiant : absence excusée.",
        "en": "Student's file: excused absence.",
    },
    AttendanceEffect.UNEXCUSED: {
        "fr": "Dossier de l’étudiant : absence non excusée ; elle peut nuire au financement.",
        "en": "Student's file: unexcused absence; it may harm the funding.",
    },
    AttendanceEffect.TO_QUALIFY: {
        "fr": "Dossier de l’étudiant : à qualifier par le support.",
        "en": "Student's file: to be qualified by support.",
    },
}

STATEMENT: Final[Mapping[Reason, InBoth]] = {
    Reason.STUDENT_EARLY: {
        "fr": "Appel à facturation : une ligne « annulée plus de 24h avant », selon le tarif en vigueur.",
        "en": "Statement: a line “cancelled more than 24 h before”, at the rate in force.",
    },
    Reason.STUDENT_LATE: {
        "fr": "Appel à facturation : une ligne « annulée moins de 24h avant », selon le tarif en vigueur.",
        "en": "Statement: a line “cancelled less than 24 h before”, at the rate in force.",
    },
    Reason.STUDENT_NO_SHOW: {
        "fr": "Appel à facturation : une ligne « étudiant absent », selon le tarif en vigueur.",
        "en": "Statement: a line “student absent”, at the rate in force.",
    },
    Reason.OTHER: {
        "fr": "Appel à facturation : une ligne « autre », selon le tarif en vigueur.",
        "en": "Statement: a line “other”, at the rate in force.",
    },
}


STATUSES: Final[Mapping[Status, InBoth]] = {
    Status.HELD: {"fr": "La session a eu lieu", "en": "The session was held"},
    Status.SCHEDULED: {"fr": "La session est de nouveau prévue", "en": "The session is planned again"},
    Status.CANCELLED: {"fr": "La session est annulée", "en": "The session is cancelled"},
}

NOT_CANCELLED: Final[Mapping[Status, tuple[InBoth, InBoth]]] = {
    Status.HELD: (
        {"fr": "Dossier de l’étudiant : présent.", "en": "Student's file: attended."},
        {
            "fr": "Appel à facturation : une ligne « session réalisée », selon le tarif en vigueur.",
            "en": "Statement: a line “held”, at the rate in force.",
        },
    ),
    Status.SCHEDULED: (
        {"fr": "Dossier de l’étudiant : session prévue.", "en": "Student's file: a planned session."},
        {
            "fr": "Appel à facturation : la ligne de cette session est retirée.",
            "en": "Statement: this session's line is taken back.",
        },
    ),
}
"""What a corrected session is in the file and on the statement where it is not cancelled."""


def known_zone(name: str) -> str:
    """``name`` where it is an IANA time zone."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError) as error:
        raise PydanticCustomError("unknown_time_zone", "No IANA time zone has this name") from error
    return name
