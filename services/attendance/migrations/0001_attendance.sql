-- What each event said about a student: one row an event, never changed, so that the file can be read as of any instant.
CREATE TABLE student_states (
    student_id uuid NOT NULL,
    sequence bigint NOT NULL,
    event_id uuid NOT NULL,
    email text NOT NULL,
    name text NOT NULL,
    funding text NOT NULL,
    enrolled_at timestamptz,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (student_id, sequence)
);

-- What each event said about a session, whole; the row with the highest sequence holds.
CREATE TABLE session_states (
    student_id uuid NOT NULL,
    session_id uuid NOT NULL,
    sequence bigint NOT NULL,
    event_id uuid NOT NULL,
    mentor_id uuid NOT NULL,
    starts_at timestamptz NOT NULL,
    duration_minutes integer NOT NULL,
    outcome text NOT NULL,
    cause text,
    makes_up_for uuid,
    moved_from timestamptz,
    move_requested_by text,
    move_late boolean,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (student_id, session_id, sequence)
);
