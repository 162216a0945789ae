-- Directory of students and mentors, as the service transfers publishes them.
CREATE TABLE students (
    student_id uuid PRIMARY KEY,
    mentor_id uuid NOT NULL,
    path text NOT NULL
) WITH (fillfactor = 80);

CREATE TABLE mentors (
    mentor_id uuid PRIMARY KEY,
    timezone text NOT NULL
);

-- Which sessions a student has, written in the transaction that plans them: what a transfer must hand over is found
-- here and not in a view, which may be behind.
CREATE TABLE sessions_of_student (
    student_id uuid NOT NULL,
    session_id uuid NOT NULL,
    PRIMARY KEY (student_id, session_id)
);

-- The list of sessions: one row a version, so that it can be read as of any instant. The present has no valid_to.
CREATE TABLE sessions_list (
    session_id uuid NOT NULL,
    version bigint NOT NULL,
    student_id uuid NOT NULL,
    mentor_id uuid NOT NULL,
    starts_at timestamptz NOT NULL,
    duration_minutes integer NOT NULL,
    timezone text NOT NULL,
    path text,
    status text NOT NULL,
    reason text,
    recoverable boolean,
    cause text,
    note text,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz,
    PRIMARY KEY (session_id, version)
);

CREATE INDEX sessions_list_present ON sessions_list (session_id) WHERE valid_to IS NULL;
CREATE INDEX sessions_list_by_start ON sessions_list (starts_at, session_id);
CREATE INDEX sessions_list_by_mentor ON sessions_list (mentor_id, starts_at, session_id);
CREATE INDEX sessions_list_by_student ON sessions_list (student_id, starts_at, session_id);
