"""Every migration is one that the version before survives: it still runs while, and after, the new one is applied.

What an older version reads and writes stays as it is; what is new is left empty by it. Topics may be read again from
their beginning: an inbox of an older version gives way then (services/chassis/migrations/0004_begun_with.sql).
"""

import re
from collections.abc import Iterator

import pytest

from services.chassis.migrate import Migration, migrations_of, services_with_data

OLD = "nobody upgrades from before it, and what was applied is never edited"
EXCEPTIONS = {
    "attendance/0002_entries_by_event.sql": OLD,
    "notifier/0002_support_and_pairing.sql": OLD,
    "support/0002_audit_proof.sql": OLD,
    "transfers/0005_as_of.sql": OLD,
    "attendance/0006_superseded.sql": "its trigger fills what an older version leaves empty, and no more",
    "billing/0006_disputes_taken_back.sql": "the key that goes is in no ON CONFLICT, and the one that comes is weaker",
}
"""Why an older version survives them nevertheless, or need not."""

HARMFUL = {
    r"\bDROP\s+(TABLE|SCHEMA|COLUMN|VIEW|FUNCTION|TYPE|CONSTRAINT|DEFAULT)\b": "takes away what is still used",
    r"\bRENAME\b": "takes away what is still used by its name",
    r"\bALTER\s+COLUMN\b.*\bTYPE\b": "changes what is read",
    r"\bSET\s+NOT\s+NULL\b": "refuses what is still written",
    r"\bADD\s+(CONSTRAINT|CHECK|PRIMARY|UNIQUE|FOREIGN|EXCLUDE)\b": "refuses what is still written",
    r"\bREVOKE\b": "refuses what is still done",
    r"\bCREATE\s+(OR\s+REPLACE\s+)?TRIGGER\b": "does more than was asked for",
}
ADDED = re.compile(r"\bADD\s+COLUMN\b(?P<what>[^,;]*(\([^;]*?\)[^,;]*)*)", re.IGNORECASE | re.DOTALL)
UNIQUE_INDEX = re.compile(r"\bCREATE\s+UNIQUE\s+INDEX\s+\w+\s+ON\s+(?P<table>\w+)", re.IGNORECASE)
NEW_TABLE = re.compile(r"\bCREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(?P<table>\w+)", re.IGNORECASE)
NEW_TABLE_WHOLE = re.compile(r"\bCREATE\s+TABLE\b[^;]*;", re.IGNORECASE)
BODY = re.compile(r"\$\$.*?\$\$", re.DOTALL)
COMMENT = re.compile(r"--.*")


def harm_of(text: str) -> Iterator[str]:
    """What an older version would not survive, one sentence each."""
    plain = BODY.sub("", COMMENT.sub("", text))
    own = {found["table"] for found in NEW_TABLE.finditer(plain)}
    rest = NEW_TABLE_WHOLE.sub("", plain)
    for statement in rest.split(";"):
        for pattern, why in HARMFUL.items():
            if found := re.search(pattern, statement, re.IGNORECASE | re.DOTALL):
                yield f"{' '.join(found[0].split())}: {why}"
    for found in ADDED.finditer(rest):
        what = found["what"].upper()
        if "NOT NULL" in what and "DEFAULT" not in what and "GENERATED" not in what:
            yield f"ADD COLUMN{found['what']}: refuses rows of those who do not know it"
    for found in UNIQUE_INDEX.finditer(rest):
        if found["table"] not in own:
            yield f"{found[0]}: refuses what is still written"


ALL = {each.name: each for service in services_with_data() for each in migrations_of(service)}


@pytest.mark.parametrize("migration", ALL.values(), ids=lambda one: one.name)
def test_the_version_before_survives_it(migration: Migration) -> None:
    found = list(harm_of(migration.text))
    if migration.name in EXCEPTIONS:
        assert found, "it is no exception any more"
    else:
        assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "DROP TABLE lines;",
        "ALTER TABLE lines DROP COLUMN amount;",
        "ALTER TABLE lines\n  ADD COLUMN a text,\n  DROP CONSTRAINT lines_pkey;",
        "ALTER TABLE lines RENAME COLUMN amount TO amount_cents;",
        "ALTER TABLE lines RENAME TO statement_lines;",
        "ALTER TABLE lines ALTER COLUMN amount TYPE numeric;",
        "alter table lines alter column amount set not null;",
        "ALTER TABLE lines ADD COLUMN amount bigint NOT NULL;",
        "ALTER TABLE lines ADD COLUMN a text, ADD COLUMN amount bigint NOT NULL CHECK (amount > 0), ADD COLUMN b text;",
        "ALTER TABLE lines ADD CONSTRAINT positive CHECK (amount > 0);",
        "CREATE UNIQUE INDEX one ON lines (session_id);",
        "CREATE TABLE names (name text NOT NULL); DROP VIEW lines_of_month;",
        "REVOKE INSERT ON lines FROM relais_billing;",
    ],
)
def test_what_it_would_not_survive_is_seen(text: str) -> None:
    assert list(harm_of(text))


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE names (id uuid PRIMARY KEY, name text NOT NULL, CHECK (name <> ''));",
        "CREATE TABLE heads (number bigint NOT NULL); CREATE UNIQUE INDEX head ON heads (number);",
        "ALTER TABLE lines ADD COLUMN reason text;",
        "ALTER TABLE lines ADD COLUMN path text NOT NULL DEFAULT '';",
        "ALTER TABLE lines ADD COLUMN searched text GENERATED ALWAYS AS (lower(a || ' ' || b)) STORED;",
        "DELETE FROM inbox_positions WHERE topic = 'relais.transfers'; TRUNCATE names;",
        "CREATE INDEX lines_of_month ON lines (month); DROP INDEX lines_by_month;",
        "-- DROP TABLE is what we do not do.",
    ],
)
def test_what_it_survives_is_let_through(text: str) -> None:
    assert list(harm_of(text)) == []
