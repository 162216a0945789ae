-- One row for each line that ever stood on a statement. A line on an open statement that a correction replaces is
-- marked as superseded and kept, so that a statement can be read as it stood at any instant.
CREATE TABLE statement_lines (
    line_id uuid PRIMARY KEY,
    mentor_id uuid NOT NULL,
    month text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('session', 'adjustment')),
    session_id uuid NOT NULL,
    student_id uuid NOT NULL,
    event_id uuid NOT NULL UNIQUE,
    outcome text NOT NULL,
    starts_at timestamptz NOT NULL,
    duration_minutes integer NOT NULL,
    path text,
    level smallint NOT NULL,
    rate_cents integer NOT NULL,
    share_percent smallint NOT NULL,
    amount_cents integer NOT NULL,
    currency text NOT NULL,
    rate_version text NOT NULL,
    recorded_at timestamptz NOT NULL,
    superseded_by uuid,
    superseded_at timestamptz
);

CREATE INDEX statement_lines_of_mentor ON statement_lines (mentor_id, month);
CREATE INDEX statement_lines_of_session ON statement_lines (session_id, mentor_id) WHERE superseded_at IS NULL;

-- Statements that are closed; every other statement is open.
CREATE TABLE closed_statements (
    mentor_id uuid NOT NULL,
    month text NOT NULL,
    currency text NOT NULL,
    total_cents integer NOT NULL,
    closed_at timestamptz NOT NULL,
    closed_by text NOT NULL,
    PRIMARY KEY (mentor_id, month)
);
