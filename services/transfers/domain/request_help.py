"""T17: no mentor found 72 h before departure, so support is asked and acts."""

from dataclasses import dataclass
from datetime import datetime

from services.chassis.refusal import Refused
from services.transfers.domain.absence import Declared, HelpRequested
from services.transfers.domain.absence_plan import Plan


@dataclass(frozen=True, slots=True)
class RequestHelp:
    message: str | None
    now: datetime


def decide(command: RequestHelp, absence: Declared, plan: Plan) -> list[HelpRequested]:
    """Support may be asked at any time; from 72 h before departure (that instant included) it is late, and urgent."""
    if not plan.waiting:
        raise Refused(
            "nobody_waiting",
            "Tous les étudiants de cette absence ont une solution : il n'y a rien à demander au support.",
            "Every student of this absence has a solution: there is nothing to ask support for.",
        )
    late = command.now >= absence.help_deadline_at
    return [HelpRequested(absence.mentor_id, absence.period, plan.waiting, command.message, late, command.now)]
