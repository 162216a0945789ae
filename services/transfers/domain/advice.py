"""T5–T9: keep the student or transfer them, by funding and by how many planned sessions they miss."""

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from services.transfers.domain.absence import Consent
from services.transfers.domain.student import Funding


class Action(StrEnum):
    KEEP = "keep"
    TRANSFER = "transfer"


@dataclass(frozen=True, slots=True)
class Advice:
    """`may_keep`: with the student's consent, the one session can be held the week before or after."""

    action: Action
    rule: str
    may_keep: bool
    fr: str
    en: str


def advise(funding: Funding, *, sessions_missed: int, consent: Consent) -> Advice:
    """1 missed session: keep with consent (T6, T8). 2 or more: transfer (T5, T9). Apprenticeship: transfer always (T7).

    A third party funds: transfer is the first advice (T5); keeping is the exception, for one session, once the student
    has agreed (T6).
    """
    match funding:
        case Funding.APPRENTICESHIP:
            return Advice(
                Action.TRANSFER,
                "T7",
                False,
                "En alternance : les sessions continuent chaque semaine, le jour de formation prévu ; "
                "organisez un transfert.",
                "Apprenticeship: weekly sessions go on, on the planned training day; organise a transfer.",
            )
        case Funding.THIRD_PARTY:
            return _third_party(sessions_missed, consent)
        case Funding.SELF_FUNDED:
            return _self_funded(sessions_missed, consent)
        case _:
            assert_never(funding)


def _third_party(sessions_missed: int, consent: Consent) -> Advice:
    if sessions_missed == 0:
        return _nothing_missed()
    if sessions_missed == 1 and consent is Consent.GIVEN:
        return Advice(
            Action.KEEP,
            "T6",
            True,
            "L'étudiant est d'accord : tenez sa session la semaine d'avant votre absence ou la semaine suivante.",
            "The student agrees: hold their session the week before your absence or the week after.",
        )
    may_keep = sessions_missed == 1 and consent is not Consent.REFUSED
    exception = (
        (
            " Pour une seule session, vous pouvez le conserver s'il est d'accord pour la tenir "
            "la semaine d'avant ou d'après.",
            " For one session only, you may keep them if they agree to hold it the week before or after.",
        )
        if may_keep
        else ("", "")
    )
    return Advice(
        Action.TRANSFER,
        "T5",
        may_keep,
        "Financé par un organisme tiers : une session chaque semaine, sans pause ; transférez dès que possible."
        + exception[0],
        "Funded by a third party: one session every week, no pause; transfer as soon as possible." + exception[1],
    )


def _self_funded(sessions_missed: int, consent: Consent) -> Advice:
    if sessions_missed == 0:
        return _nothing_missed()
    if sessions_missed > 1:
        return Advice(
            Action.TRANSFER,
            "T9",
            False,
            "Auto-financement, deux sessions ou plus : organisez un transfert ponctuel.",
            "Self-funded, two sessions or more: organise a one-off transfer.",
        )
    if consent is Consent.REFUSED:
        return Advice(
            Action.TRANSFER,
            "T1",
            False,
            "L'étudiant ne souhaite pas déplacer sa session : organisez un transfert ponctuel.",
            "The student does not wish to move their session: organise a one-off transfer.",
        )
    return Advice(
        Action.KEEP,
        "T8",
        True,
        "Auto-financement, une seule session : conservez l'étudiant s'il est d'accord, et rattrapez-la avant ou après.",
        "Self-funded, one session only: keep the student if they agree, and catch it up before or after.",
    )


def _nothing_missed() -> Advice:
    return Advice(
        Action.KEEP,
        "T2",
        True,
        "Aucune session prévue n'est manquée : le rythme d'une session par semaine est tenu.",
        "No planned session is missed: the rhythm of one session a week holds.",
    )
