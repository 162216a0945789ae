"""T18: a transfer that was tried and fails a diagnosis. It is refused, and that it was tried is kept and published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.chassis.refusal import Refused
from services.transfers.domain.student import Funding, TransferKind


@dataclass(frozen=True, slots=True)
class TransferRefused:
    """An aggregate of its own, one event long: neither the student nor a mentor, nor a version of theirs, has changed.

    `to_mentor_id`: whose account the e-mail is, None where nobody's. The e-mail as it was typed is not kept.
    """

    student_id: UUID
    from_mentor_id: UUID
    to_mentor_id: UUID | None
    path: str
    project: str
    funding: Funding
    kind: TransferKind
    absence_id: UUID | None
    diagnoses: tuple[str, ...]
    refused_at: datetime


class FailedDiagnoses(Refused):
    """The refusal of one or several transfers, with what is to be kept of each attempt."""

    def __init__(
        self,
        code: str,
        fr: str,
        en: str,
        errors: Sequence[Mapping[str, object]],
        attempts: Sequence[TransferRefused],
    ) -> None:
        super().__init__(code, fr, en, errors)
        self.attempts = tuple(attempts)
