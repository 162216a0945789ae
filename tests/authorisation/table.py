"""Every route of the API with who may use it. Everybody who is not named is refused.

Of one student, whom Alice lent to Bruno: ``bruno`` accompanies the student now, ``alice`` is to take them back,
``chloe`` is a mentor of others; ``zoe`` is the student, ``max`` a student of Chloé's; the rest are the school's staff.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

MENTORS: Final = frozenset({"alice", "bruno", "chloe"})
STUDENTS: Final = frozenset({"zoe", "max"})
HERS: Final = frozenset({"alice", "bruno", "zoe"})
"""Who reads the student's own matters, besides the staff."""
STAFF: Final = frozenset({"support", "billing", "training", "directory"})
EVERYBODY: Final = MENTORS | STUDENTS | STAFF
SUPPORT: Final = frozenset({"support"})
TRAINING_TEAM: Final = frozenset({"support", "training"})
MONTH: Final = {"from": "2026-11-01", "to": "2026-11-30"}
BILLING_TEAM: Final = frozenset({"support", "billing"})
ACCOUNTS: Final = frozenset({"support", "directory"})


@dataclass(frozen=True)
class Row:
    """``request`` as "GET /api/…", its ids in braces filled in by the test.

    Of the people, the ``allowed`` get ``answer``; the others 403, or 404 where it is to be ``missing`` for them.

    Where a rule is to refuse what a role may (so that the next request finds the same), ``answer`` is that refusal.
    """

    request: str
    allowed: frozenset[str]
    answer: int = 200
    body: Mapping[str, Any] | None = None
    missing: frozenset[str] = frozenset()
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.request + ("?" + "&".join(self.query) if self.query else "")

    def expected(self, person: str) -> int:
        return self.answer if person in self.allowed else 404 if person in self.missing else 403


SESSIONS: Final = (
    Row(
        "POST /api/sessions",
        ACCOUNTS | {"bruno"},
        201,
        {"student_id": "{student_id}", "starts_at": "{in_9_days}", "duration_minutes": 45},
    ),
    Row("POST /api/sessions/import", ACCOUNTS, 422, {"rows": [{}]}),
    Row("GET /api/sessions", EVERYBODY),
    Row("GET /api/sessions", HERS | STAFF, query={"student_id": "{student_id}"}),
    Row("GET /api/sessions", STUDENTS | STAFF | {"bruno"}, query={"mentor_id": "{bruno_id}"}),
    Row("GET /api/sessions/{session_id}", HERS | STAFF),
    Row("GET /api/sessions/{session_id}/history", HERS | STAFF),
    Row("GET /api/sessions/{session_id}/cancellation-reasons", HERS | STAFF),
    Row("POST /api/sessions/{session_id}/cancellation", SUPPORT | {"bruno"}, 422, {"reason": "student_no_show"}),
    Row(
        "POST /api/sessions/{session_id}/reschedule",
        SUPPORT | {"bruno"},
        422,
        {"starts_at": "{in_the_past}", "requested_by": "mentor"},
    ),
    Row("POST /api/sessions/{session_id}/completion", SUPPORT | {"bruno"}, 422, {}),
    Row("POST /api/sessions/{session_id}/correction", SUPPORT, 422, {"status": "held", "why": "Erreur."}),
    Row("GET /api/sessions/{session_id}/correction-choices", SUPPORT),
    Row(
        "GET /api/sessions/to-document",
        BILLING_TEAM,
        query={"from": "{in_the_past}", "to": "{in_9_days}"},
    ),
    # A session that was held before the transfer stays its mentor's, and the student's new one reads it.
    Row("GET /api/sessions/{past_session_id}", HERS | STAFF),
    Row("POST /api/sessions/{past_session_id}/completion", SUPPORT | {"alice"}, 200, {}),
)

ACCOUNT_ROUTES: Final = (
    Row("PUT /api/mentors/{bruno_id}", ACCOUNTS, body={"bruno": "account"}),
    Row("PUT /api/mentors/{bruno_id}/capacity", ACCOUNTS | {"bruno"}, body={"capacity": 5}),
    Row("GET /api/mentors", STAFF),
    Row("GET /api/mentors/me", MENTORS),
    Row("GET /api/mentors/{bruno_id}", STAFF | {"bruno", "zoe"}),
    Row("PUT /api/students/{student_id}", ACCOUNTS, body={"zoe": "account"}),
    Row("PUT /api/students/{student_id}/language", frozenset({"zoe", "support"}), body={"language": "fr"}),
    Row("GET /api/students", MENTORS | STAFF),
    Row("GET /api/students", STAFF | {"bruno"}, query={"mentor_id": "{bruno_id}"}),
    Row("GET /api/students/me", STUDENTS),
    Row("GET /api/students/{student_id}", HERS | STAFF),
    Row("POST /api/students/lookup", ACCOUNTS, body={"emails": ["nobody@example.org"]}),
    Row("POST /api/students/import", ACCOUNTS, body={"dry_run": True, "rows": []}),
)

TRANSFERS: Final = (
    Row(
        "POST /api/students/{student_id}/transfer/check",
        SUPPORT | {"bruno"},
        body={"mentor_email": "nobody@example.org"},
    ),
    Row("POST /api/students/{student_id}/transfer", SUPPORT | {"bruno"}, 422, {"mentor_email": "nobody@example.org"}),
    Row("GET /api/students/{student_id}/comments", SUPPORT | {"alice", "bruno"}),
    Row("POST /api/students/{student_id}/comments", SUPPORT | {"alice", "bruno"}, 201, {"text": "À l'aise."}),
)

ABSENCES: Final = (
    Row(
        "POST /api/mentors/{alice_id}/absences",
        SUPPORT | {"alice"},
        409,
        {"from": "{leave_from}", "to": "{leave_to}"},
    ),
    Row("GET /api/mentors/{alice_id}/absences", frozenset({"alice", "support", "training"})),
    Row("GET /api/absences", MENTORS | {"support", "training"}),
    Row("GET /api/absences", frozenset({"alice", "support", "training"}), query={"mentor_id": "{alice_id}"}),
    Row("GET /api/absences/{absence_id}", frozenset({"alice", "bruno", "support", "training"})),
    Row("PUT /api/absences/{absence_id}", SUPPORT | {"alice"}, body={"from": "{leave_from}", "to": "{leave_to}"}),
    Row(
        "POST /api/absences/{absence_id}/consents",
        SUPPORT | {"alice"},
        422,
        {"student_id": "{nobody_id}", "consent": "asked"},
    ),
    Row(
        "POST /api/absences/{absence_id}/preparation",
        SUPPORT | {"alice"},
        body={"item": "peers_asked", "done": True},
    ),
    Row("POST /api/absences/{absence_id}/help-requests", SUPPORT | {"alice"}, 422, {}),
    Row("POST /api/absences/{absence_id}/return", SUPPORT | {"alice", "bruno"}, 422, {"student_ids": ["{nobody_id}"]}),
    Row("POST /api/absences/{ended_absence_id}/end", SUPPORT | {"alice"}, body={}),
)

BILLING: Final = (
    Row("GET /api/mentors/{bruno_id}/statements", frozenset({"bruno", "support", "billing"})),
    Row("GET /api/mentors/{bruno_id}/statements/{month}", frozenset({"bruno", "support", "billing"})),
    Row("GET /api/mentors/{bruno_id}/statements/{month}.csv", frozenset({"bruno", "support", "billing"})),
    Row("GET /api/mentors/{bruno_id}/statements/{month}.pdf", frozenset({"bruno", "support", "billing"})),
    Row("POST /api/mentors/{bruno_id}/statements/{next_month}/close", frozenset({"billing"}), 422, {}),
    Row("GET /api/statements", BILLING_TEAM, query={"month": "{month}"}),
    Row("GET /api/statements/{month}.csv", BILLING_TEAM),
    Row("GET /api/statements/{month}.xlsx", BILLING_TEAM),
    Row("GET /api/statements/{month}.pdf", BILLING_TEAM),
    Row(
        "POST /api/statements/{next_month}/close",
        frozenset({"billing"}),
        422,
        {"statements": [{"mentor_id": "{nobody_id}", "lines": 0, "total_cents": 0}]},
    ),
    Row(
        "POST /api/mentors/{bruno_id}/statements/{month}/lines/{nobody_id}/dispute",
        frozenset({"bruno"}),
        404,
        {"reason": "Un essai."},
    ),
    Row("DELETE /api/mentors/{bruno_id}/statements/{month}/lines/{nobody_id}/dispute", frozenset({"bruno"})),
    Row("GET /api/disputes", frozenset({"support", "billing"})),
    Row("POST /api/disputes/{nobody_id}/settlement", frozenset({"support", "billing"}), 404, {"answer": "Un essai."}),
    Row("GET /api/statement-lines", frozenset({"support", "billing"}), query={"event_id": "{nobody_id}"}),
    Row("GET /api/statement-lines/{nobody_id}", frozenset({"support", "billing"}), 404),
)

ATTENDANCE: Final = (
    Row("GET /api/students/{student_id}/attendance", HERS | {"support", "training"}),
    Row("GET /api/students/{student_id}/attendance.csv", HERS | {"support", "training"}),
    Row("GET /api/students/{student_id}/attendance.pdf", HERS | {"support", "training"}),
    Row("GET /api/students/{student_id}/attendance/certificate", HERS | {"support", "training"}, query=MONTH),
    Row("GET /api/students/{student_id}/attendance/certificate.pdf", HERS | {"support", "training"}, query=MONTH),
    Row("GET /api/attendance", TRAINING_TEAM, query=MONTH),
    Row("GET /api/attendance.csv", TRAINING_TEAM, query=MONTH),
    Row("GET /api/attendance.xlsx", TRAINING_TEAM, query=MONTH),
    Row("GET /api/attendance.pdf", TRAINING_TEAM, query=MONTH),
    Row("GET /api/continuity/weeks", TRAINING_TEAM),
    Row("GET /api/attendance-entries", frozenset({"support", "training"}), query={"event_id": "{nobody_id}"}),
    Row("GET /api/continuity", MENTORS | {"support", "training"}),
    Row("GET /api/continuity", frozenset({"bruno", "support", "training"}), query={"mentor_id": "{bruno_id}"}),
    Row("GET /api/continuity.csv", MENTORS | {"support", "training"}),
    Row("GET /api/continuity.csv", frozenset({"bruno", "support", "training"}), query={"mentor_id": "{bruno_id}"}),
)

# An e-mail that was written to others is not there: that it was written is theirs to know.
NOTIFIER: Final = (
    Row("GET /api/emails", MENTORS | STUDENTS | SUPPORT),
    Row("GET /api/emails/{email_id}", HERS | SUPPORT, missing=frozenset({"chloe", "max"})),
    Row("POST /api/emails/{nobody_id}/resend", SUPPORT, 404, {}),
    # Each one's own, and no other: it takes no id.
    Row("GET /api/calendar-link", MENTORS | STUDENTS),
    Row("POST /api/calendar-link", MENTORS | STUDENTS, 201, {}),
    Row("DELETE /api/calendar-link", MENTORS | STUDENTS),
)

OPERATIONS: Final = (
    Row("GET /api/audit", SUPPORT),
    Row("GET /api/audit/heads", SUPPORT),
    Row("POST /api/audit/sign-ins", EVERYBODY - {"directory"}, 201, {}),
    Row("GET /api/audit/export", SUPPORT),
    Row("GET /api/audit/events/{nobody_id}/consequences", SUPPORT, 404),
    Row("GET /api/audit/span", SUPPORT, query={"subject": "{nobody_id}"}),
    Row("GET /api/audit/events/{nobody_id}", SUPPORT, 404),
    Row("GET /api/audit/effects", SUPPORT, query={"event_id": "{nobody_id}"}),
    Row("GET /api/parked", SUPPORT),
    *(
        row
        for service in ("sessions", "transfers", "billing", "attendance", "notifier", "support")
        for row in (
            Row(f"GET /api/lag/{service}", SUPPORT),
            Row(f"GET /api/rebuilds/{service}", SUPPORT),
            Row(f"GET /api/parked/{service}", SUPPORT),
            Row(f"GET /api/parked/{service}/{{parked_id}}", SUPPORT, 404),
            Row(f"POST /api/parked/{service}/{{parked_id}}/retry", SUPPORT, 404, {}),
            Row(f"POST /api/parked/{service}/{{parked_id}}/skip", SUPPORT, 404, {"reason": "Un essai."}),
        )
    ),
    # The sandbox alone has these, and whoever plays there.
    Row("GET /api/sandbox/clock", EVERYBODY),
    Row("PUT /api/sandbox/clock", EVERYBODY, body={"now": "{now}"}),
    Row("DELETE /api/sandbox/clock", EVERYBODY),
)

TABLE: Final = (
    *SESSIONS,
    *ACCOUNT_ROUTES,
    *TRANSFERS,
    *ABSENCES,
    *BILLING,
    *ATTENDANCE,
    *NOTIFIER,
    *OPERATIONS,
)
