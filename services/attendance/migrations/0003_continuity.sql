-- Who accompanies a student, and whether a cancelled session is recoverable, were not kept until now. Topics keep every
-- event for ever, so all that stands here is read again from their beginning; the file is whole once that has caught up.
TRUNCATE student_states, session_states;
DELETE FROM inbox_positions;
DELETE FROM inbox_versions;
DELETE FROM parked;

ALTER TABLE session_states ADD COLUMN recoverable boolean;

CREATE INDEX session_states_by_start ON session_states (starts_at);
CREATE INDEX session_states_make_ups ON session_states (makes_up_for) WHERE makes_up_for IS NOT NULL;

-- Who accompanies a student: one row an event, never changed.
CREATE TABLE pairing_states (
    student_id uuid NOT NULL,
    sequence bigint NOT NULL,
    mentor_id uuid NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (student_id, sequence)
);

CREATE TABLE mentors (
    mentor_id uuid PRIMARY KEY,
    email text NOT NULL,
    name text NOT NULL
) WITH (fillfactor = 80);

CREATE INDEX mentors_by_email ON mentors (lower(email));

-- Every student who was enrolled before the end of a week, with what stands for that week as known at an instant:
-- a session held, or else one planned, or else nothing.
CREATE FUNCTION students_in_week(week_starts_at timestamptz, week_ends_at timestamptz, known_at timestamptz)
RETURNS TABLE (student_id uuid, name text, funding text, mentor_id uuid, stands text)
LANGUAGE sql STABLE
AS $$
    SELECT student.student_id, student.name, student.funding, pairing.mentor_id,
        CASE WHEN week.held THEN 'held' WHEN week.planned THEN 'planned' ELSE 'nothing' END
    FROM (
        SELECT DISTINCT ON (s.student_id) s.student_id, s.name, s.funding,
            min(s.enrolled_at) OVER (PARTITION BY s.student_id) AS enrolled_at
        FROM student_states AS s
        WHERE s.recorded_at <= known_at
        ORDER BY s.student_id, s.sequence DESC
    ) AS student
    LEFT JOIN (
        SELECT DISTINCT ON (p.student_id) p.student_id, p.mentor_id
        FROM pairing_states AS p
        WHERE p.recorded_at <= known_at
        ORDER BY p.student_id, p.sequence DESC
    ) AS pairing ON pairing.student_id = student.student_id
    LEFT JOIN (
        -- The week's sessions by their start, then each one's last row by its key: never the whole history.
        SELECT asked.student_id, bool_or(last.outcome = 'held') AS held, bool_or(last.outcome = 'planned') AS planned
        FROM (
            SELECT DISTINCT s.student_id, s.session_id
            FROM session_states AS s
            WHERE s.starts_at >= week_starts_at AND s.starts_at < week_ends_at
        ) AS asked
        CROSS JOIN LATERAL (
            SELECT s.outcome, s.starts_at
            FROM session_states AS s
            WHERE s.student_id = asked.student_id AND s.session_id = asked.session_id AND s.recorded_at <= known_at
            ORDER BY s.sequence DESC
            LIMIT 1
        ) AS last
        WHERE last.starts_at >= week_starts_at AND last.starts_at < week_ends_at
        GROUP BY asked.student_id
    ) AS week ON week.student_id = student.student_id
    WHERE student.enrolled_at < week_ends_at
$$;
