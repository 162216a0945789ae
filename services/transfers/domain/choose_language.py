"""A student chooses the language of their e-mails. It stands from then on, whatever the directory says."""

from dataclasses import dataclass, replace

from services.transfers.domain.student import Enrolled, LanguageChosen


@dataclass(frozen=True, slots=True)
class ChooseLanguage:
    language: str


def decide(command: ChooseLanguage, student: Enrolled) -> list[LanguageChosen]:
    """Chosen twice: already so. The directory's own language, once chosen, is kept too."""
    if command.language == student.chosen_language:
        return []
    return [LanguageChosen(replace(student.profile, language=command.language))]
