"""What people read: the right facts, in their language, as they write dates; and what their calendar is told."""

from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest

from services.notifier.domain.letter import Template
from services.notifier.edges.rendering import LOCALES, TEMPLATES, moment
from tests.notifier.conftest import PARIS, Notifier, School

SECOND = timedelta(seconds=1)


def text_of(message: EmailMessage, subtype: str = "plain") -> str:
    part = message.get_body((subtype,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n").replace("\u00a0", " ")


def calendar_of(message: EmailMessage) -> tuple[str, str]:
    """The method and the text of the calendar part."""
    (part,) = [part for part in message.walk() if part.get_content_type() == "text/calendar"]
    return str(part.get_param("method")), str(part.get_content())


def only(notifier: Notifier, to: str) -> EmailMessage:
    (message,) = [message for message in notifier.mail.received if to in str(message["To"])]
    return message


@pytest.mark.rule("S10")
def test_a_moved_session_tells_the_student_its_new_date_and_time(notifier: Notifier, school: School) -> None:
    notifier.hear(*school.people(), school.rescheduled())
    notifier.send_all()
    message = only(notifier, school.student_email)
    assert message["Subject"].replace("\u00a0", " ") == (
        "Votre session est déplacée au dimanche 1er novembre 2026 à 18 h 00"
    )
    assert message["To"] == f"Léa Martin <{school.student_email}>"
    assert message["From"] == "Relais <relais@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    text = text_of(message)
    assert "Nouvelle date : dimanche 1er novembre 2026 à 18 h 00 (heure de Paris)" in text
    assert "Date précédente : mardi 20 octobre 2026 à 18 h 00 (heure de Paris)" in text  # Summer time: 16:00 UTC.
    assert "Jean Roux" in text
    assert "dimanche 1er novembre 2026 à 18 h 00 (heure de Paris)" in text_of(message, "html")

    method, calendar = calendar_of(message)
    assert method == "REQUEST"
    assert "METHOD:REQUEST" in calendar
    assert f"UID:{school.session_id}@relais" in calendar
    assert "DTSTART:20261101T170000Z" in calendar
    assert "DTEND:20261101T174500Z" in calendar
    assert "SEQUENCE:2" in calendar


@pytest.mark.rule("S6")
def test_the_note_of_another_reason_is_shared_with_the_student(notifier: Notifier, school: School) -> None:
    notifier.hear(*school.people(), school.cancelled(note="Panne <b>de train</b>,\nje suis désolé."))
    notifier.send_all()
    message = only(notifier, school.student_email)
    assert "> Panne <b>de train</b>,\n> je suis désolé." in text_of(message)
    assert "Panne &lt;b&gt;de train&lt;/b&gt;,\nje suis désolé." in text_of(message, "html")
    assert "Convenez d’une nouvelle date" in text_of(message)
    method, calendar = calendar_of(message)
    assert method == "CANCEL"
    assert "STATUS:CANCELLED" in calendar


@pytest.mark.rule("S4", "S5", "S7")
@pytest.mark.parametrize(
    ("reason", "recoverable", "sentence", "outcome"),
    [
        ("student_early", True, "Vous avez annulé cette session plus de 24 h avant son début.", "oui"),
        ("student_late", False, "Vous avez annulé cette session moins de 24 h avant son début.", "non"),
        ("student_no_show", False, "Votre absence à cette session a été constatée.", "non"),
        ("other", None, "Cette session est annulée.", "à préciser par le support"),
    ],
)
def test_a_cancellation_says_why_and_whether_it_can_be_made_up(
    notifier: Notifier, school: School, reason: str, recoverable: bool | None, sentence: str, outcome: str
) -> None:
    changed: dict[str, Any] = {"reason": reason, "recoverable": recoverable, "cause": None}
    notifier.hear(*school.people(), school.cancelled(**changed, note=None))
    notifier.send_all()
    text = text_of(only(notifier, school.student_email))
    assert sentence in text
    assert f"Rattrapable : {outcome}" in text
    assert "dossier" in text


@pytest.mark.rule("S1", "S7")
def test_a_correction_says_what_held_and_what_holds_and_not_why(notifier: Notifier, school: School) -> None:
    notifier.hear(*school.people(), school.corrected())
    notifier.send_all()
    message = only(notifier, school.student_email)
    text = text_of(message)
    assert message["Subject"] == "Correction : votre session du dimanche 1er novembre 2026"
    assert "Statut précédent : absence" in text
    assert "Statut corrigé : tenue" in text
    assert "trompé" not in text
    assert not [part for part in message.walk() if part.get_content_type() == "text/calendar"]


@pytest.mark.rule("S6")
def test_a_correction_to_another_reason_shares_its_note_and_says_whether_it_can_be_made_up(
    notifier: Notifier, school: School
) -> None:
    now = {
        "status": "cancelled",
        "reason": "other",
        "cause": "platform",
        "recoverable": True,
        "note": "Visio en panne.",
    }
    notifier.hear(*school.people(), school.corrected(**now))
    notifier.send_all()
    text = text_of(only(notifier, school.student_email))
    assert "Statut corrigé : annulée (autre motif)" in text
    assert "> Visio en panne." in text
    assert "Rattrapable : oui" in text
    assert "Convenez d’une nouvelle date" in text


@pytest.mark.rule("S1")
@pytest.mark.parametrize(
    ("before", "after", "method", "status"),
    [
        ("cancelled", "scheduled", "REQUEST", "CONFIRMED"),
        ("held", "scheduled", "REQUEST", "CONFIRMED"),
        ("scheduled", "cancelled", "CANCEL", "CANCELLED"),
    ],
)
def test_the_students_calendar_follows_a_correction(
    notifier: Notifier, school: School, before: str, after: str, method: str, status: str
) -> None:
    reason = {"reason": "student_late", "recoverable": False} if after == "cancelled" else {}
    was = {"previous_status": before, "previous_reason": "student_late" if before == "cancelled" else None}
    before_it = datetime(2026, 10, 30, 9, 0, tzinfo=UTC)
    notifier.hear(*school.people(), school.corrected(status=after, corrected_at=before_it, **was, **reason))
    notifier.send_all()
    found, calendar = calendar_of(only(notifier, school.student_email))
    assert found == method
    assert f"STATUS:{status}" in calendar


@pytest.mark.rule("S1")
def test_a_session_that_is_planned_again_is_announced_only_while_it_is_to_come(
    notifier: Notifier, school: School
) -> None:
    other = School.new()
    start = datetime(2026, 11, 1, 17, 0, tzinfo=UTC)
    again: dict[str, Any] = {"starts_at": start, "status": "scheduled", "reason": None, "recoverable": None}
    notifier.hear(*school.people(), school.corrected(**again, corrected_at=start - SECOND))
    notifier.hear(*other.people(), other.corrected(**again, corrected_at=start))
    notifier.send_all()
    to_come, over = only(notifier, school.student_email), only(notifier, other.student_email)
    assert "Cette session aura lieu à la date indiquée." in text_of(to_come)
    assert calendar_of(to_come)[0] == "REQUEST"
    assert "Votre mentor indiquera ce qui s’est passé." in text_of(over)
    assert not [part for part in over.walk() if part.get_content_type() == "text/calendar"]


def test_a_student_who_reads_english_gets_english(notifier: Notifier, school: School) -> None:
    notifier.hear(*school.people(language="en"), school.rescheduled())
    notifier.send_all()
    message = only(notifier, school.student_email)
    assert message["Subject"] == "Your session has moved to Sunday 1 November 2026 at 18:00"
    assert message["Content-Language"] == "en"
    assert "New date: Sunday 1 November 2026 at 18:00 (Paris time)" in text_of(message)


@pytest.mark.rule("T10", "T11", "T16")
def test_a_transfer_tells_the_student_and_both_mentors(notifier: Notifier, school: School) -> None:
    notifier.hear(*school.people(), school.transferred())
    notifier.send_all()
    assert len(notifier.mail.received) == 3
    to_student = text_of(only(notifier, school.student_email))
    assert "Ana Paz vous accompagne dès maintenant, à la place de Jean Roux, qui s’absente." in to_student
    assert "Retour prévu : Jean Roux, le mardi 1er décembre 2026" in to_student
    to_ana = text_of(only(notifier, school.ana_email))
    assert "Étudiant : Léa Martin" in to_ana
    assert "Financement : En alternance" in to_ana
    assert "Au retour de Jean Roux, c’est à vous de lui transférer l’étudiant." in to_ana
    to_jean = text_of(only(notifier, school.jean_email))
    assert "Le transfert de Léa Martin à Ana Paz est fait." in to_jean
    assert "vérifiez votre capacité d’accueil" in to_jean


def test_a_name_can_not_add_a_header(notifier: Notifier, school: School) -> None:
    notifier.hear(*school.people(name="Léa\r\nBcc: all@example.org"), school.transferred())
    notifier.send_all()
    assert all(message["Bcc"] is None for message in notifier.mail.received)
    assert only(notifier, school.ana_email)["Subject"] == "Vous accompagnez maintenant Léa Bcc: all@example.org"


@pytest.mark.parametrize(
    ("instant", "language", "shown"),
    [
        (datetime(2026, 10, 24, 23, 59, tzinfo=UTC), "fr", "dimanche 25 octobre 2026 à 1 h 59 (heure de Paris)"),
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "fr", "dimanche 25 octobre 2026 à 2 h 30 (heure d’été de Paris)"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "fr", "dimanche 25 octobre 2026 à 2 h 30 (heure d’hiver de Paris)"),
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "en", "Sunday 25 October 2026 at 02:30 (Paris summer time)"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "en", "Sunday 25 October 2026 at 02:30 (Paris winter time)"),
        (datetime(2026, 10, 25, 2, 0, tzinfo=UTC), "fr", "dimanche 25 octobre 2026 à 3 h 00 (heure de Paris)"),
        (datetime(2027, 3, 28, 1, 0, tzinfo=UTC), "fr", "dimanche 28 mars 2027 à 3 h 00 (heure de Paris)"),
        (datetime(2026, 12, 31, 23, 5, tzinfo=UTC), "fr", "vendredi 1er janvier 2027 à 0 h 05 (heure de Paris)"),
        (datetime(2026, 12, 31, 23, 5, tzinfo=UTC), "en", "Friday 1 January 2027 at 00:05 (Paris time)"),
    ],
)
def test_instants_are_shown_in_local_time(instant: datetime, language: str, shown: str) -> None:
    assert moment(instant, language, PARIS).whole.replace("\u00a0", " ") == shown


@pytest.mark.rule("T17")
def test_72_hours_before_departure_the_mentor_is_reminded_of_who_has_no_solution(
    notifier: Notifier, school: School
) -> None:
    notifier.hear(*school.people(), school.reminder("help_deadline"))
    notifier.send_all()
    (message,) = notifier.mail.received
    assert message["To"] == f"Jean Roux <{school.jean_email}>"
    assert message["Subject"] == "Votre absence approche : un étudiant est sans solution"
    assert "Étudiant : Léa Martin" in text_of(message)
    assert "Départ : lundi 16 novembre 2026 à 0 h 00 (heure de Paris)" in text_of(message)


@pytest.mark.rule("T17")
def test_a_request_for_help_reaches_support_and_the_mentor_knows(notifier: Notifier, school: School) -> None:
    notifier.hear(*school.people(), school.help_requested())
    notifier.send_all()
    to_support = only(notifier, "support@example.org")
    assert to_support["Subject"] == "Urgent : Jean Roux demande de l’aide pour 1 étudiant"
    assert "> Personne n’est libre." in text_of(to_support)
    assert only(notifier, school.jean_email)["Subject"] == "Le support a reçu votre demande d’aide"


@pytest.mark.rule("T16")
def test_on_the_return_each_replacement_is_reminded_of_the_students_that_they_have(
    notifier: Notifier, school: School
) -> None:
    other = School.new()
    notifier.hear(*school.people(), *other.people(name="Max Petit"), school.transferred(), other.transferred())
    replacements, students = (school.ana_id, other.ana_id), (school.student_id, other.student_id)
    notifier.hear(school.reminder("return", student_ids=students, replacement_ids=replacements))
    notifier.send_all()
    reminders = {row["recipient"]: row for row in notifier.rows("event_type LIKE '%Reminder%'")}
    assert set(reminders) == {school.jean_email, school.ana_email, other.ana_email}
    assert "Étudiant\u00a0: Léa Martin" in reminders[school.ana_email]["text_body"]
    assert "Étudiant\u00a0: Max Petit" in reminders[other.ana_email]["text_body"]
    assert "Étudiants\u00a0: Léa Martin, Max Petit" in reminders[school.jean_email]["text_body"]
    assert "relevez-la d’abord" in reminders[school.jean_email]["text_body"]


def test_every_letter_is_there_in_both_languages(school: School) -> None:
    for template in Template:
        for language in LOCALES:
            assert (TEMPLATES / language / f"{template}.jinja").is_file(), (template, language)
