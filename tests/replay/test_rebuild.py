"""A view built again equals the live one: told row by row, mended by a switch; what people decided stays."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from relais_contracts import sessions, transfers
from relais_contracts.operations import ViewSwitched
from services.chassis import parked
from services.chassis.database import Database
from services.chassis.event_store import EventStore
from services.chassis.migrate import services_with_data
from services.chassis.operations import OPERATIONS_EVENTS, view_id, with_operations
from services.chassis.parked_api import no_others
from services.chassis.replay.rebuild import AlreadyRunning, administrator
from services.chassis.service import Service
from tests.replay.conftest import NOON, Ground, differences, held, registered

OCTOBER = "2026-10"
TAKE_ONE_LINE = (
    "DELETE FROM billing.statement_lines WHERE line_id IN (SELECT line_id FROM billing.statement_lines LIMIT 1)"
)


@pytest.fixture(scope="module")
def billing(ground: Ground) -> Iterator[Service]:
    with ground.live("billing") as service:
        yield service


def close(ground: Ground, billing: Service, mentor_id: UUID, month: str = OCTOBER) -> None:
    assert billing.api is not None
    token = ground.issuer.mint("billing", "facturation@relais.example")
    answer = TestClient(billing.api).post(
        f"/api/mentors/{mentor_id}/statements/{month}/close", headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 200, answer.text


def lines(ground: Ground, mentor_id: UUID) -> list[tuple[str, str]]:
    query = (
        "SELECT month, kind FROM billing.statement_lines WHERE mentor_id = %s AND superseded_at IS NULL ORDER BY 1, 2"
    )
    return [(month, kind) for month, kind in ground.rows(query, mentor_id)]


@pytest.mark.mutation("a closing keeps the positions that it saw")
def test_lines_come_out_on_the_statements_that_were_open_when_their_events_came(
    ground: Ground, billing: Service
) -> None:
    mentor, student = uuid4(), uuid4()
    before, after = held(mentor, student), held(mentor, student, day=1)
    ground.publish(before)
    ground.wait_until_read("billing")
    close(ground, billing, mentor)
    ground.publish(after)
    ground.wait_until_read("billing")
    assert lines(ground, mentor) == [(OCTOBER, "session"), ("2026-11", "adjustment")]
    assert differences(ground.replay("billing")[1]) == {}


@pytest.mark.mutation("a closing keeps what was set aside")
def test_so_does_one_that_was_set_aside_when_its_month_was_closed(ground: Ground, billing: Service) -> None:
    mentor, student, accounts = people()
    ground.publish(*accounts)
    ground.publish(held(mentor, student), spoil=True)
    ground.publish(held(mentor, student))
    ground.wait_until_read("billing")
    close(ground, billing, mentor)
    effects = billing.inboxes[0].effects
    with administrator(ground.settings.database_url_for("billing")) as connection:
        spoilt, behind = (row["parked_id"] for row in connection.execute(
            "SELECT parked_id FROM parked WHERE record_key = %s ORDER BY parked_id", (str(student).encode(),)
        ).fetchall())  # fmt: skip
        with connection.transaction():
            assert parked.skip(connection, spoilt, by="support:sam@example.org", reason="spoilt")
        effects.retry("relais.sessions", str(student).encode(), by="support:sam@example.org")
    assert lines(ground, mentor) == [("2026-11", "adjustment")]
    built, found = ground.replay("billing", switch=True)
    assert (differences(found), built.set_aside_count) == ({}, 0)
    states = "SELECT state, reason FROM billing.parked WHERE parked_id IN (%s, %s) ORDER BY parked_id"
    assert ground.rows(states, spoilt, behind) == [("skipped", "spoilt"), ("retried", None)]


def test_what_is_still_set_aside_stays_so_in_order_after_a_switch(ground: Ground, billing: Service) -> None:
    mentor, student = uuid4(), uuid4()
    ground.publish(held(mentor, student), spoil=True)
    ground.publish(held(mentor, student), held(mentor, student))
    ground.wait_until_read("billing")
    query = "SELECT record_offset, state FROM billing.parked WHERE record_key = %s ORDER BY parked_id"
    before = ground.rows(query, str(student).encode())
    built, found = ground.replay("billing", switch=True)
    assert (differences(found), built.set_aside_count) == ({}, 3)
    assert ground.rows(query, str(student).encode()) == before
    assert len(before) == 3
    assert lines(ground, mentor) == []


def test_a_row_that_was_altered_is_told_by_its_key_and_mended_and_the_old_one_is_kept(
    ground: Ground, billing: Service
) -> None:
    mentor = uuid4()
    ground.publish(held(mentor), held(mentor))
    ground.wait_until_read("billing")
    (altered, gone) = (row[0] for row in ground.rows(
        "SELECT line_id FROM billing.statement_lines WHERE mentor_id = %s ORDER BY 1", mentor
    ))  # fmt: skip
    ground.rows("UPDATE billing.statement_lines SET amount_cents = 1 WHERE line_id = %s", altered)
    ground.rows("DELETE FROM billing.statement_lines WHERE line_id = %s", gone)
    _, found = ground.replay("billing")
    assert differences(found) == {"statement_lines": 2}
    told = {difference.key["line_id"]: difference for difference in found[0].differences}
    assert told[altered].live == {"amount_cents": 1}
    assert told[gone].live is None
    done = ground.command("replay", "billing", "--diff")
    assert (str(altered) in done.communicate(timeout=60)[0], done.returncode) == (True, 1)
    ground.replay("billing", switch=True)
    assert differences(ground.replay("billing")[1]) == {}
    kept = "SELECT amount_cents FROM billing_before.statement_lines WHERE line_id = %s"
    assert ground.rows(kept, altered) == [(1,)]
    ground.drop("billing")
    assert ground.rows("SELECT to_regnamespace('billing_before'), to_regnamespace('billing_rebuild')") == [(None, None)]


def test_a_view_as_of_an_instant_has_the_events_up_to_it_alone(ground: Ground, billing: Service) -> None:
    mentor = uuid4()
    (until,) = ground.publish(held(mentor), at=NOON + timedelta(days=40))
    ground.publish(held(mentor), at=NOON + timedelta(days=40, microseconds=1))
    ground.wait_until_read("billing")
    ground.replay("billing", diff=False, as_of=NOON + timedelta(days=40))
    then = "SELECT event_id FROM billing_rebuild.statement_lines WHERE mentor_id = %s"
    assert ground.rows(then, mentor) == [(until.id,)]
    done = ground.command("replay", "billing", "--as-of", "2026-12-01T00:00:00Z", "--switch")
    assert done.communicate(timeout=60)[1].startswith("Une vue du passé")
    assert done.returncode == 2


def test_two_rebuilds_of_one_view_are_never_at_work_together(ground: Ground) -> None:
    with administrator(ground.database_url) as one, administrator(ground.database_url) as other:
        ground.rebuild("billing", one)
        with pytest.raises(AlreadyRunning):
            ground.rebuild("billing", other)
        ground.rebuild("attendance", other)


def people() -> tuple[UUID, UUID, list[transfers.MentorRegistered | transfers.StudentEnrolled]]:
    mentor, student = uuid4(), uuid4()
    name = mentor.hex[:8]
    return mentor, student, [
        registered(mentor),
        transfers.StudentEnrolled(
            student_id=student, email=f"{name}@students.example", name="Bruno", path="web", project="Site",
            funding="self_funded", mentor_id=mentor, language="fr", enrolled_at=NOON,
        ),
    ]  # fmt: skip


def week_of_a_student(ground: Ground) -> UUID:
    """Planned, moved, held; another one planned and cancelled. Gives the student."""
    mentor, student, accounts = people()
    ground.publish(*accounts)
    one, other = uuid4(), uuid4()
    said = {"student_id": student, "mentor_id": mentor, "duration_minutes": 45}
    ground.publish(
        sessions.SessionScheduled(session_id=one, starts_at=NOON, timezone="Europe/Paris", path="web", **said),
        sessions.SessionScheduled(session_id=other, starts_at=NOON, timezone="Europe/Paris", path="web", **said),
        sessions.SessionRescheduled(
            session_id=one, previous_starts_at=NOON, starts_at=NOON + timedelta(days=1), requested_by="student",
            late=False, **said,
        ),
        sessions.SessionCancelled(
            session_id=other, starts_at=NOON, reason="student_early", recoverable=True, notice_at=NOON,
            cancelled_at=NOON, **said,
        ),
        sessions.SessionHeld(session_id=one, starts_at=NOON + timedelta(days=1), held_at=NOON, **said),
    )  # fmt: skip
    return student


@pytest.mark.parametrize("service", ["sessions", "transfers", "attendance", "support"])
def test_every_view_is_built_again_and_switched_and_its_service_goes_on(ground: Ground, service: str) -> None:
    week_of_a_student(ground)
    with ground.live(service):
        ground.wait_until_read(service)
        assert differences(ground.replay(service, switch=True)[1]) == {}
        week_of_a_student(ground)
        ground.wait_until_read(service)
        assert differences(ground.replay(service)[1]) == {}


def test_e_mails_are_never_sent_again_and_one_that_is_missing_comes_in_suppressed(ground: Ground) -> None:
    student = week_of_a_student(ground)
    with ground.live("notifier"):
        ground.wait_until_read("notifier")
        sent, missing = (row[0] for row in ground.rows(
            "SELECT email_id FROM notifier.emails WHERE recipient_id = %s ORDER BY 1", student
        ))  # fmt: skip
        ground.rows("UPDATE notifier.emails SET state = 'sent', sent_at = now() WHERE email_id = %s", sent)
        assert differences(ground.replay("notifier")[1]) == {}
        ground.rows("DELETE FROM notifier.emails WHERE email_id = %s", missing)
        assert differences(ground.replay("notifier", switch=True)[1]) == {"emails": 1}
        states = "SELECT email_id, state FROM notifier.emails WHERE recipient_id = %s ORDER BY 1"
        assert ground.rows(states, student) == [(sent, "sent"), (missing, "suppressed")]


def test_every_view_names_tables_keys_and_indexes_that_there_are(ground: Ground) -> None:
    indexes = {(schema, name) for schema, name in ground.rows("SELECT schemaname, indexname FROM pg_indexes")}
    columns = {
        (schema, table, name)
        for schema, table, name in ground.rows(
            "SELECT table_schema, table_name, column_name FROM information_schema.columns"
        )
    }
    for service in services_with_data():
        view = ground.view(service)
        assert {(service, name) for name in view.built_last} <= indexes
        for table in view.tables:
            assert {(service, table.name, name) for name in (*table.key, *table.ignored)} <= columns


def test_a_switch_is_an_event_with_its_actor_its_versions_and_its_rows(ground: Ground, billing: Service) -> None:
    mentor = uuid4()
    ground.publish(held(mentor))
    ground.wait_until_read("billing")
    ground.replay("billing")
    before = state(ground, billing)
    assert (before["rebuild"]["state"], before["rebuild"]["version"]) == ("built", before["serving_version"] + 1)
    ground.replay("billing", switch=True)
    rows = sum(ground.rows(f"SELECT count(*) FROM billing.{table}")[0][0] for table in before["tables"])
    after = state(ground, billing)
    assert (after["serving_version"], after["rebuild"], after["before_kept"]) == (
        before["serving_version"] + 1,
        None,
        True,
    )
    switch = after["last_switch"]
    assert (switch["actor"], switch["row_count"]) == ("operator:olga", rows)
    assert (switch["from_version"], switch["to_version"]) == (before["serving_version"], after["serving_version"])
    database = Database(ground.settings.database_url_for("billing"), application_name="test")
    stored = EventStore(database, "billing", OPERATIONS_EVENTS).load(view_id("billing"))[-1]
    database.close()
    published = ViewSwitched(
        service="billing",
        view="billing",
        from_version=switch["from_version"],
        to_version=switch["to_version"],
        row_count=rows,
        switched_at=switch["switched_at"],
    )
    assert with_operations(no_others)(stored) == ("relais.operations", "billing", published)


def test_who_looks_on_sees_what_a_rebuild_does_and_what_it_found(ground: Ground, billing: Service) -> None:
    ground.drop("billing")
    assert state(ground, billing)["rebuild"] is None
    assert not state(ground, billing)["before_kept"]
    ground.publish(held(uuid4()))
    ground.wait_until_read("billing")
    with administrator(ground.database_url) as connection:
        rebuild = ground.rebuild("billing", connection)
        asyncio.run(rebuild.build())
        seen = state(ground, billing)["rebuild"]
        assert (seen["state"], seen["stage"], seen["comparisons"]) == ("running", "built", [])
        assert seen["events_done"] == seen["events_total"] > 0
        assert seen["rate_per_s"] > 0
        assert seen["seconds_left"] == 0
        ground.rows(TAKE_ONE_LINE)
        asyncio.run(rebuild.compare())
    seen = state(ground, billing)["rebuild"]
    assert (seen["state"], seen["rate_per_s"]) == ("built", None)
    (lines,) = [one for one in seen["comparisons"] if one["table"] == "statement_lines"]
    assert (lines["differences"], lines["rebuilt_rows"] - lines["live_rows"]) == (1, 1)
    ground.rows("UPDATE billing_rebuild.rebuild_progress SET stage = 'read'")
    assert state(ground, billing)["rebuild"]["state"] == "interrupted"
    ground.replay("billing", switch=True)


def test_support_alone_looks_on(ground: Ground, billing: Service) -> None:
    statuses = {role: look(ground, billing, role).status_code for role in ("support", "mentor", "billing", "directory")}
    assert statuses == {"support": 200, "mentor": 403, "billing": 403, "directory": 403}


def state(ground: Ground, billing: Service) -> dict[str, Any]:
    answer: dict[str, Any] = look(ground, billing).json()
    return answer


def look(ground: Ground, billing: Service, role: str = "support") -> Response:
    assert billing.api is not None
    token = ground.issuer.mint(role, "sam@relais.example")
    answer: Response = TestClient(billing.api).get(
        "/api/rebuilds/billing", headers={"Authorization": f"Bearer {token}"}
    )
    return answer
