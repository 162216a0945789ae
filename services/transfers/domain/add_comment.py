"""T10, T14: a private comment (« commentaire privé ») on the student's dashboard; the hand-over comment's parts.

Seen by the student's mentors and by support, never by the student; its text is never published.
"""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from services.chassis.refusal import Refused
from services.transfers.domain.student import Enrolled, PrivateCommentAdded

REQUIRED_PARTS = {
    "mentor_name": ("votre nom", "your name"),
    "leave_from": ("le début de vos congés", "the first day of your leave"),
    "return_on": ("la date de votre retour", "the day of your return"),
    "about_the_student": (
        "des informations sur l'étudiant (vos habitudes, les points bloquants, là où il en est)",
        "information on the student (habits, blocking points, where they stand)",
    ),
}


@dataclass(frozen=True, slots=True)
class AddComment:
    """A plain comment has a `text`; a hand-over comment has the four other parts, and may have a text besides."""

    comment_id: UUID
    author: str
    author_name: str
    now: datetime
    text: str | None = None
    mentor_name: str | None = None
    leave_from: date | None = None
    return_on: date | None = None
    about_the_student: str | None = None


def decide(command: AddComment, student: Enrolled) -> list[PrivateCommentAdded]:
    if any(comment.comment_id == command.comment_id for comment in student.comments):
        return []  # Said twice: it stands there already.
    missing = [part for part in REQUIRED_PARTS if getattr(command, part) is None]
    if len(missing) == len(REQUIRED_PARTS):
        if command.text is None:
            raise Refused("comment_empty", "Écrivez votre commentaire.", "Write your comment.")
    elif missing:
        raise _incomplete(missing)
    if command.leave_from is not None and command.return_on is not None and command.return_on <= command.leave_from:
        raise Refused(
            "return_before_leave",
            "La date de retour vient après le début des congés.",
            "The day of the return comes after the first day of the leave.",
        )
    return [
        PrivateCommentAdded(
            comment_id=command.comment_id,
            author=command.author,
            author_name=command.author_name,
            added_at=command.now,
            text=command.text,
            mentor_name=command.mentor_name,
            leave_from=command.leave_from,
            return_on=command.return_on,
            about_the_student=command.about_the_student,
        )
    ]


def _incomplete(missing: list[str]) -> Refused:
    fr = ", ".join(REQUIRED_PARTS[part][0] for part in missing)
    en = ", ".join(REQUIRED_PARTS[part][1] for part in missing)
    return Refused(
        "handover_incomplete",
        f"La note de passage de relais précise aussi : {fr}.",
        f"A hand-over comment also says: {en}.",
        errors=[
            {
                "code": "handover_part_missing",
                "field": part,
                "message": {"fr": REQUIRED_PARTS[part][0], "en": REQUIRED_PARTS[part][1]},
            }
            for part in missing
        ],
    )
