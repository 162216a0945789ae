-- The sessions as a calendar shows them, one row each, and the links under which people subscribe to their own.
CREATE TABLE calendar_sessions (
    session_id uuid PRIMARY KEY,
    student_id uuid NOT NULL,
    mentor_id uuid NOT NULL,
    starts_at timestamptz NOT NULL,
    duration_minutes integer NOT NULL,
    timezone text,
    cancelled boolean NOT NULL,
    sequence bigint NOT NULL,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX calendar_sessions_by_mentor ON calendar_sessions (mentor_id, starts_at);
CREATE INDEX calendar_sessions_by_student ON calendar_sessions (student_id, starts_at);

CREATE TABLE calendar_links (
    token text PRIMARY KEY,
    role text NOT NULL CHECK (role IN ('mentor', 'student')),
    person_ids uuid[] NOT NULL,
    language text NOT NULL CHECK (language IN ('fr', 'en')),
    created_at timestamptz NOT NULL
);
CREATE INDEX calendar_links_by_person ON calendar_links USING gin (person_ids);

-- What was planned until now stands in relais.sessions, which keeps every event for ever: it is read again from its
-- beginning. No letter is written twice: each is one row by event, template and recipient.
DELETE FROM inbox_positions WHERE topic = 'relais.sessions';
DELETE FROM parked WHERE topic = 'relais.sessions';
DELETE FROM inbox_versions
WHERE aggregate_id IN (SELECT event_subject FROM emails WHERE event_type LIKE 'relais.sessions.%');
