"""A mentor disputes a line of their statement; billing answers; the line itself stays what it is."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from httpx import Response

from relais_contracts.transfers import MentorRegistered
from services.billing.domain.dispute_line import (
    DisputeLine,
    SettleDispute,
    Undisputed,
    WithdrawDispute,
    decide,
    decide_settlement,
    decide_withdrawal,
    fold,
)
from services.billing.domain.events import DisputeExplained, DisputeSettled, DisputeWithdrawn, LineDisputed
from services.chassis.ids import new_id
from services.chassis.refusal import Refused
from tests.billing.conftest import NOW, Billing
from tests.billing.test_statements_on_postgres import held

LINE, MENTOR = uuid4(), uuid4()
DISPUTED = LineDisputed(LINE, MENTOR, "2026-11", "Elle a duré une heure.", NOW)
SETTLED = DisputeSettled(LINE, MENTOR, "2026-11", "Corrigé.", NOW + timedelta(days=1))


def dispute(reason: str = DISPUTED.reason) -> DisputeLine:
    return DisputeLine(LINE, MENTOR, "2026-11", reason, NOW)


def refusal_of(call: object) -> str:
    assert callable(call)
    with pytest.raises(Refused) as refused:
        call()
    return refused.value.code


def test_a_line_is_disputed_with_its_reason() -> None:
    assert decide(dispute(), Undisputed()) == [DISPUTED]


def test_disputed_twice_for_the_same_reason_is_quiet_and_for_another_one_a_conflict() -> None:
    assert decide(dispute(), fold([DISPUTED])) == []
    assert refusal_of(lambda: decide(dispute("Autre chose."), fold([DISPUTED]))) == "line_already_disputed"
    assert refusal_of(lambda: decide(dispute("Autre chose."), fold([DISPUTED, SETTLED]))) == "line_already_disputed"


def test_a_line_is_disputed_without_a_word_and_explained_once() -> None:
    silent = LineDisputed(LINE, MENTOR, "2026-11", "", NOW)
    explained = DisputeExplained(LINE, DISPUTED.reason, NOW)
    assert decide(dispute(""), Undisputed()) == [silent]
    assert decide(dispute(""), fold([silent])) == []
    assert decide(dispute(), fold([silent])) == [explained]
    assert decide(dispute(), fold([silent, explained])) == []
    assert refusal_of(lambda: decide(dispute("Autre."), fold([silent, explained]))) == "line_already_disputed"


def test_it_is_taken_back_until_it_is_answered_and_may_be_disputed_anew() -> None:
    back = WithdrawDispute(NOW)
    withdrawn = DisputeWithdrawn(LINE, MENTOR, "2026-11", NOW)
    assert decide_withdrawal(back, fold([DISPUTED])) == [withdrawn]
    assert decide_withdrawal(back, fold([DISPUTED, withdrawn])) == []
    assert decide(dispute(), fold([DISPUTED, withdrawn])) == [DISPUTED]
    assert refusal_of(lambda: decide_withdrawal(back, fold([DISPUTED, SETTLED]))) == "dispute_already_settled"


def test_it_is_answered_once() -> None:
    answer = SettleDispute(SETTLED.answer, SETTLED.settled_at)
    assert decide_settlement(answer, fold([DISPUTED])) == [SETTLED]
    assert decide_settlement(answer, fold([DISPUTED, SETTLED])) == []
    other = SettleDispute("Non.", NOW)
    assert refusal_of(lambda: decide_settlement(other, fold([DISPUTED, SETTLED]))) == "dispute_already_settled"
    assert refusal_of(lambda: decide_settlement(other, Undisputed())) == "dispute_unknown"


class Mentor:
    """Somebody with a line on a statement, and their account."""

    def __init__(self, billing: Billing) -> None:
        self.billing = billing
        self.mentor_id = new_id()
        self.email = f"ada-{self.mentor_id}@mentors.example"
        billing.receive(
            MentorRegistered(
                mentor_id=self.mentor_id,
                email=self.email,
                name="Ada",
                capacity=1,
                paths=(),
                projects=(),
                timezone="Europe/Paris",
            )
        )
        billing.receive(held(self.mentor_id))

    def line(self, as_of: datetime | None = None) -> dict[str, Any]:
        asked = {"as_of": as_of.isoformat()} if as_of else {}
        [line] = self.billing.statement(self.mentor_id, "2026-10", **asked)["lines"]
        found: dict[str, Any] = line
        return found

    def disputes(
        self, reason: str = "Elle a duré une heure.", *, line_id: UUID | str | None = None, **who: str
    ) -> Response:
        line_id = line_id or self.line()["line_id"]
        return self.billing.post(
            f"/mentors/{self.mentor_id}/statements/2026-10/lines/{line_id}/dispute",
            {"reason": reason},
            **{"role": "mentor", "email": self.email, **who},
        )

    def withdraws(self, *, line_id: UUID | str | None = None, **who: str) -> Response:
        line_id = line_id or self.line()["line_id"]
        return self.billing.delete(
            f"/mentors/{self.mentor_id}/statements/2026-10/lines/{line_id}/dispute",
            **{"role": "mentor", "email": self.email, **who},
        )


@pytest.mark.rule("S8")
def test_a_dispute_is_listed_answered_and_read_on_the_line_which_stays_as_it_is(billing: Billing) -> None:
    mentor = Mentor(billing)
    before = mentor.line()
    assert before["dispute"] is None
    assert mentor.disputes().status_code == 201
    assert mentor.disputes().status_code == 201

    own: dict[str, Any] = {"mentor_id": mentor.mentor_id}
    [listed] = billing.get("/disputes", **own, state="open").json()["items"]
    assert (listed["line_id"], listed["reason"]) == (before["line_id"], "Elle a duré une heure.")
    assert listed["disputed_by"] == f"mentor:{mentor.email}"
    answer = {"answer": "Corrigé par le support."}
    assert billing.post(f"/disputes/{before['line_id']}/settlement", answer).json()["state"] == "settled"
    assert billing.get("/disputes", **own, state="open").json()["items"] == []
    [settled] = billing.get("/disputes", **own, state="settled").json()["items"]
    assert settled["settled_by"] == "billing:bea@relais.example"

    after = mentor.line()
    said = after.pop("dispute")
    assert after == {name: value for name, value in before.items() if name != "dispute"}
    assert (said["state"], said["answer"]) == ("settled", answer["answer"])


def test_a_dispute_taken_back_is_gone_and_still_there_in_the_past(billing: Billing) -> None:
    mentor = Mentor(billing)
    line_id = mentor.line()["line_id"]
    start = billing.clock.instant
    assert mentor.disputes("").json()["reason"] == ""
    billing.clock.instant = start + timedelta(minutes=1)
    assert mentor.disputes("Elle a duré une heure.").json()["disputed_at"] == mentor.line()["dispute"]["disputed_at"]
    billing.clock.instant = start + timedelta(minutes=2)
    assert mentor.withdraws().status_code == 200
    assert mentor.line()["dispute"] is None
    assert billing.get("/disputes", mentor_id=mentor.mentor_id).json()["items"] == []
    assert mentor.disputes("Encore.").json()["state"] == "open"
    assert billing.post(f"/disputes/{line_id}/settlement", {"answer": "Corrigé."}).status_code == 200
    assert mentor.withdraws().json()["code"] == "dispute_already_settled"

    reasons = [mentor.line(as_of=start + timedelta(seconds=seconds))["dispute"] for seconds in (30, 90, 119)]
    assert [one["reason"] for one in reasons] == ["", "Elle a duré une heure.", "Elle a duré une heure."]
    assert mentor.line()["dispute"]["reason"] == "Encore."


def test_only_the_mentor_disputes_a_line_and_only_one_that_is_there(billing: Billing) -> None:
    mentor, other = Mentor(billing), Mentor(billing)
    assert mentor.disputes(email=other.email).status_code == 403
    assert mentor.disputes(role="billing", email="bea@relais.example").status_code == 403
    assert mentor.disputes(line_id=other.line()["line_id"]).json()["code"] == "line_unknown"
    assert mentor.disputes("a" * 2001).status_code == 422
    assert mentor.withdraws().json()["state"] == "withdrawn"
    assert mentor.withdraws(email=other.email).status_code == 403
    other.disputes()
    assert mentor.withdraws(line_id=other.line()["line_id"]).json()["code"] == "dispute_unknown"
    assert billing.post(f"/disputes/{mentor.line()['line_id']}/settlement", {"answer": "Non."}).status_code == 404
    assert billing.get("/disputes", role="mentor", email=mentor.email).status_code == 403


def test_disputes_are_read_page_by_page_the_oldest_first(billing: Billing) -> None:
    mentor = Mentor(billing)
    billing.receive(held(mentor.mentor_id))
    for line in billing.statement(mentor.mentor_id, "2026-10")["lines"]:
        assert mentor.disputes(line_id=line["line_id"]).status_code == 201
        billing.clock.instant += timedelta(minutes=1)
    asked: dict[str, Any] = {"mentor_id": mentor.mentor_id, "limit": 1}
    first = billing.get("/disputes", **asked).json()
    second = billing.get("/disputes", **asked, cursor=first["next_cursor"]).json()
    assert first["items"][0]["disputed_at"] < second["items"][0]["disputed_at"]
    assert second["next_cursor"] is None
    assert billing.get("/disputes", **asked, cursor="eyJhIjoxfQ").json()["code"] == "invalid_cursor"
