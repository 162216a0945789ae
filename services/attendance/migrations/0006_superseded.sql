-- The board asked each session for its last row, one by one: a second for thirteen weeks of 5,000 students. Now each row
-- says from when on a later one of its session was known; what held at an instant is found by the weeks' own index.
ALTER TABLE session_states ADD COLUMN superseded_at timestamptz;

UPDATE session_states AS s SET superseded_at = later.recorded_at
FROM (
    SELECT student_id, session_id, sequence, min(recorded_at) OVER (
        PARTITION BY student_id, session_id ORDER BY sequence ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
    ) AS recorded_at
    FROM session_states
) AS later
WHERE (s.student_id, s.session_id, s.sequence) = (later.student_id, later.session_id, later.sequence)
  AND later.recorded_at IS NOT NULL;

-- A trigger, so that a service of the version before, which knows nothing of it, keeps it too while it is replaced. The
-- table is named by the trigger, since a rebuild has one of its own; it is looked up by key, never read whole.
CREATE FUNCTION supersede_session_states() RETURNS trigger LANGUAGE plpgsql
SET enable_hashjoin TO off
SET enable_mergejoin TO off
AS $$
BEGIN
    EXECUTE format('
        UPDATE %1$I.%2$I AS s SET superseded_at = later.recorded_at
        FROM (
            SELECT before.student_id, before.session_id, before.sequence, min(added.recorded_at) AS recorded_at
            FROM added JOIN %1$I.%2$I AS before USING (student_id, session_id)
            WHERE added.sequence > 1 AND before.sequence < added.sequence
            GROUP BY before.student_id, before.session_id, before.sequence
        ) AS later
        WHERE (s.student_id, s.session_id, s.sequence) = (later.student_id, later.session_id, later.sequence)
          AND (s.superseded_at IS NULL OR s.superseded_at > later.recorded_at)', TG_TABLE_SCHEMA, TG_TABLE_NAME);
    RETURN NULL;
END
$$;

CREATE TRIGGER supersede AFTER INSERT ON session_states REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION supersede_session_states();

CREATE OR REPLACE FUNCTION students_in_week(
    week_starts_at timestamptz, week_ends_at timestamptz, known_at timestamptz
)
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
        SELECT s.student_id, bool_or(s.outcome = 'held') AS held, bool_or(s.outcome = 'planned') AS planned
        FROM session_states AS s
        WHERE s.starts_at >= week_starts_at AND s.starts_at < week_ends_at
          AND s.recorded_at <= known_at AND (s.superseded_at IS NULL OR s.superseded_at > known_at)
        GROUP BY s.student_id
    ) AS week ON week.student_id = student.student_id
    WHERE student.enrolled_at < week_ends_at
$$;
