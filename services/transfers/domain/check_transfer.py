"""T18: why a transfer would fail, as four diagnoses at once, each saying what to do about it. Nothing is written.

T15: the only search is by the other mentor's exact e-mail, so a diagnosis tells nothing of a mentor but whether the
transfer would work: no name, no list of paths, no number of places.
"""

from dataclasses import dataclass
from enum import StrEnum

from services.transfers.domain.mentor import Mentor, NotRegistered
from services.transfers.domain.student import Enrolled


class Outcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not_checked"  # there is no mentor to ask


@dataclass(frozen=True, slots=True)
class Diagnosis:
    code: str
    outcome: Outcome
    fr: str
    en: str

    @property
    def passed(self) -> bool:
        return self.outcome is Outcome.PASSED


def diagnose(student: Enrolled, replacement: Mentor, *, returns: bool = False) -> list[Diagnosis]:
    """The four questions of T18, always all four, always in this order.

    `returns`: the replacement is the mentor who comes back (T16).
    """
    return [
        _account(replacement),
        _path(student, replacement),
        _project(student, replacement),
        _capacity(replacement, returns=returns),
    ]


def _account(replacement: Mentor) -> Diagnosis:
    if isinstance(replacement, NotRegistered):
        return Diagnosis(
            "not_a_mentor_account",
            Outcome.FAILED,
            "Cette adresse n'est celle d'aucun compte mentor : demandez au mentor l'adresse e-mail exacte "
            "de son compte et saisissez-la en entier.",
            "This address belongs to no mentor account: ask the mentor for the exact e-mail of their account, "
            "and type it in full.",
        )
    return _passed(
        "not_a_mentor_account",
        "L'adresse e-mail est bien celle d'un compte mentor.",
        "The e-mail is that of a mentor account.",
    )


def _path(student: Enrolled, replacement: Mentor) -> Diagnosis:
    path = student.profile.path
    if isinstance(replacement, NotRegistered):
        return _not_checked("not_on_path")
    if path not in replacement.profile.paths:
        return Diagnosis(
            "not_on_path",
            Outcome.FAILED,
            f"Ce mentor n'est pas positionné sur le parcours « {path} » : sollicitez un mentor de ce parcours, "
            "ou demandez au support de l'y positionner.",
            f"This mentor is not positioned on the path “{path}”: ask a mentor of that path, "
            "or ask support to position them on it.",
        )
    return _passed(
        "not_on_path", "Le mentor est positionné sur le parcours de l'étudiant.", "The mentor is on the student's path."
    )


def _project(student: Enrolled, replacement: Mentor) -> Diagnosis:
    project = student.profile.project
    if isinstance(replacement, NotRegistered):
        return _not_checked("project_not_on_profile")
    if project not in replacement.profile.projects:
        return Diagnosis(
            "project_not_on_profile",
            Outcome.FAILED,
            f"Le projet en cours « {project} » n'est pas renseigné sur le profil de ce mentor : "
            "demandez-lui de l'y ajouter, ou demandez de l'aide au support.",
            f"The current project “{project}” is not on this mentor's profile: ask them to add it, "
            "or ask support for help.",
        )
    return _passed(
        "project_not_on_profile",
        "Le projet en cours est renseigné sur le profil du mentor.",
        "The current project is on the mentor's profile.",
    )


def _capacity(replacement: Mentor, *, returns: bool) -> Diagnosis:
    if isinstance(replacement, NotRegistered):
        return _not_checked("capacity_full")
    if replacement.free_places > 0:
        return _passed("capacity_full", "Le mentor a une place disponible.", "The mentor has a free place.")
    if returns:
        return Diagnosis(
            "capacity_full",
            Outcome.FAILED,
            "Le mentor qui revient n'a pas de place disponible : il doit d'abord relever sa capacité d'accueil "
            "d'étudiants, puis le transfert en sens inverse sera possible.",
            "The returning mentor has no free place: they first raise their student capacity, "
            "then the transfer back will work.",
        )
    return Diagnosis(
        "capacity_full",
        Outcome.FAILED,
        "Ce mentor n'a plus de place disponible : il peut augmenter sa capacité d'accueil d'étudiants ; "
        "sinon, sollicitez un autre mentor du parcours ou demandez de l'aide au support.",
        "This mentor has no free place: they may raise their student capacity; "
        "otherwise ask another mentor of the path, or support.",
    )


def _passed(code: str, fr: str, en: str) -> Diagnosis:
    return Diagnosis(code, Outcome.PASSED, fr, en)


def _not_checked(code: str) -> Diagnosis:
    return Diagnosis(
        code,
        Outcome.NOT_CHECKED,
        "Ce point sera vérifié dès que l'adresse sera celle d'un compte mentor.",
        "This is checked as soon as the address is that of a mentor account.",
    )
