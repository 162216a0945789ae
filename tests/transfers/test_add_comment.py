"""T10, T14: private comments and the hand-over comment."""

from dataclasses import fields, replace
from datetime import date, timedelta
from uuid import UUID

import pytest

from services.transfers.domain.add_comment import REQUIRED_PARTS, AddComment
from services.transfers.domain.student import PrivateCommentAdded
from tests.transfers.school import ADA, LEO, NOW, enrolled, given, handover, registered

SCHOOL = (registered(ADA), *enrolled(LEO, ADA))
HANDOVER = AddComment(
    comment_id=UUID(int=50),
    author="mentor:ada@example.org",
    author_name="Ada",
    now=NOW,
    mentor_name="Ada",
    leave_from=date(2026, 10, 20),
    return_on=date(2026, 11, 2),
    about_the_student="Préfère le mardi ; bloque sur les jointures.",
)


@pytest.mark.rule("T14")
def test_a_handover_comment_says_who_when_and_what_to_know() -> None:
    given(*SCHOOL).when((LEO, HANDOVER)).then((LEO, handover()))


@pytest.mark.rule("T14")
@pytest.mark.parametrize("part", REQUIRED_PARTS)
def test_a_handover_comment_without_one_of_its_parts_is_refused_and_names_it(part: str) -> None:
    refusal = given(*SCHOOL).when((LEO, replace(HANDOVER, **{part: None}))).then_refused("handover_incomplete")  # type: ignore[arg-type]
    assert [error["field"] for error in refusal.errors] == [part]


@pytest.mark.rule("T14")
def test_the_return_comes_after_the_leave() -> None:
    begins = date(2026, 10, 20)
    same_day = replace(HANDOVER, leave_from=begins, return_on=begins)
    next_day = replace(HANDOVER, leave_from=begins, return_on=begins + timedelta(days=1))
    given(*SCHOOL).when((LEO, same_day)).then_refused("return_before_leave")
    given(*SCHOOL).when((LEO, next_day)).then((LEO, handover(begins + timedelta(days=1))))


@pytest.mark.rule("T10", "T14")
def test_the_return_date_stands_on_the_students_dashboard() -> None:
    state = given(*SCHOOL).when((LEO, HANDOVER)).then((LEO, handover())).state
    assert state.enrolled(LEO).announced_return_on == date(2026, 11, 2)


@pytest.mark.rule("T14")
def test_comments_are_kept_in_order_and_never_overwritten() -> None:
    first = AddComment(UUID(int=51), "mentor:ada@example.org", "Ada", NOW, text="À l'aise en SQL.")
    second = AddComment(UUID(int=52), "support:sam@example.org", "Sam", NOW, text="Vu avec le CFA.")
    story = given(*SCHOOL).when((LEO, first)).then((LEO, _plain(first))).when((LEO, second)).then((LEO, _plain(second)))
    assert [comment.text for comment in story.state.enrolled(LEO).comments] == ["À l'aise en SQL.", "Vu avec le CFA."]


def test_a_comment_said_twice_is_there_once() -> None:
    given(*SCHOOL, (LEO, handover())).when((LEO, HANDOVER)).then_nothing()


def test_a_comment_that_says_nothing_is_refused() -> None:
    given(*SCHOOL).when((LEO, AddComment(UUID(int=51), "mentor:ada@example.org", "Ada", NOW))).then_refused(
        "comment_empty"
    )


def _plain(command: AddComment) -> PrivateCommentAdded:
    values = {field.name: getattr(command, field.name) for field in fields(command) if field.name != "now"}
    return PrivateCommentAdded(added_at=command.now, **values)
