"""Refusals that several commands share, and how an instant is said in them."""

from datetime import datetime
from zoneinfo import ZoneInfo

from services.chassis.refusal import Conflict, NotFound, Refused
from services.sessions.domain.events import Appointment


def said(instant: datetime, timezone: str) -> tuple[str, str]:
    """``instant`` in local time, in French and in English, to the second only where seconds matter."""
    local = instant.astimezone(ZoneInfo(timezone))
    hour = f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
    return f"le {local:%d/%m/%Y} à {hour}", f"on {local:%Y-%m-%d} at {hour}"


def session_unknown() -> Refused:
    return NotFound("session_unknown", "Cette session n’existe pas.", "There is no such session.")


def session_already_held() -> Refused:
    return Conflict(
        "session_already_held",
        "Cette session a déjà eu lieu ; si c’est une erreur, le support la corrige.",
        "This session has already been held; if that is a mistake, support corrects it.",
    )


def session_already_cancelled() -> Refused:
    return Conflict(
        "session_already_cancelled",
        "Cette session est déjà annulée ; si le motif est faux, le support le corrige.",
        "This session is already cancelled; if its reason is wrong, support corrects it.",
    )


def session_not_started(appointment: Appointment) -> Refused:
    fr, en = said(appointment.starts_at, appointment.timezone)
    return Refused(
        "session_not_started",
        f"Cette session n’a pas encore commencé : elle commence {fr}.",
        f"This session has not started yet: it starts {en}.",
    )


def notice_in_the_future() -> Refused:
    return Refused(
        "notice_in_the_future",
        "L’étudiant ne peut pas avoir prévenu plus tard que maintenant ; indiquez quand il vous a prévenu.",
        "The student cannot have told you later than now; say when they told you.",
    )


def note_required() -> Refused:
    return Refused(
        "note_required",
        "Avec le motif « Autre », écrivez la raison : elle sera partagée avec l’étudiant.",
        "With the reason « Autre » (other), write down why: it is shared with the student.",
    )


def cause_not_for_this_reason() -> Refused:
    return Refused(
        "cause_not_for_this_reason",
        "Une cause ne s’indique qu’avec le motif « Autre ».",
        "A cause is given only with the reason « Autre » (other).",
    )
