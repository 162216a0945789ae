-- The sessions that students have planned, from relais.sessions: an absence counts those that it makes them miss.
CREATE TABLE planned_sessions (
    session_id uuid PRIMARY KEY,
    student_id uuid NOT NULL,
    starts_at timestamptz NOT NULL,
    duration_minutes integer NOT NULL,
    status text NOT NULL
);
CREATE INDEX planned_sessions_by_student ON planned_sessions (student_id, starts_at);

-- The absences, from our own events; `help_reminded` and `return_reminded` are true once that reminder is given, and
-- `checked_at` is when it was last looked at whether one is due.
CREATE TABLE absence_list (
    absence_id uuid PRIMARY KEY,
    mentor_id uuid NOT NULL,
    from_at timestamptz NOT NULL,
    to_at timestamptz NOT NULL,
    whole_days boolean NOT NULL,
    timezone text NOT NULL,
    ended_at timestamptz,
    help_reminded boolean NOT NULL DEFAULT false,
    return_reminded boolean NOT NULL DEFAULT false,
    checked_at timestamptz,
    version bigint NOT NULL
);
CREATE INDEX absence_list_by_mentor ON absence_list (mentor_id, from_at, absence_id);
CREATE INDEX absence_list_by_start ON absence_list (from_at, absence_id);
