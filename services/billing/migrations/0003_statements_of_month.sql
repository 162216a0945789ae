-- All statements of a month at once, for the billing team.
CREATE INDEX statement_lines_of_month ON statement_lines (month, mentor_id);

-- Every mentor who has a statement of the month, or might have one: open, closed, or empty (no line). `searched` is the
-- name as people type it in a hurry: without accents, in small letters.
CREATE FUNCTION statements_of_month(asked_month text, known_at timestamptz)
RETURNS TABLE (
    mentor_id uuid, name text, searched text, status text, lines bigint, total_cents bigint, adjustments bigint,
    adjustments_cents bigint, closed_at timestamptz
)
LANGUAGE sql STABLE
AS $$
    WITH sums AS MATERIALIZED (
        SELECT l.mentor_id, count(*) AS lines, sum(l.amount_cents)::bigint AS total_cents,
            count(*) FILTER (WHERE l.kind = 'adjustment') AS adjustments,
            (sum(l.amount_cents) FILTER (WHERE l.kind = 'adjustment'))::bigint AS adjustments_cents
        FROM statement_lines AS l
        WHERE l.month = asked_month AND l.recorded_at <= known_at
          AND (l.superseded_at IS NULL OR l.superseded_at > known_at)
        GROUP BY l.mentor_id
    ), closed AS MATERIALIZED (
        SELECT c.mentor_id, c.closed_at FROM closed_statements AS c
        WHERE c.month = asked_month AND c.closed_at <= known_at
    )
    SELECT mentors.mentor_id, coalesce(n.name, ''),
        lower(regexp_replace(normalize(coalesce(n.name, ''), NFKD), '[\u0300-\u036f]', '', 'g')),
        CASE WHEN closed.mentor_id IS NOT NULL THEN 'closed' WHEN sums.mentor_id IS NULL THEN 'empty' ELSE 'open' END,
        coalesce(sums.lines, 0), coalesce(sums.total_cents, 0), coalesce(sums.adjustments, 0),
        coalesce(sums.adjustments_cents, 0), closed.closed_at
    FROM (
        SELECT a.account_id AS mentor_id FROM accounts AS a WHERE a.role = 'mentor'
        UNION SELECT s.mentor_id FROM sums AS s UNION SELECT c.mentor_id FROM closed AS c
    ) AS mentors
    LEFT JOIN sums ON sums.mentor_id = mentors.mentor_id
    LEFT JOIN closed ON closed.mentor_id = mentors.mentor_id
    LEFT JOIN names AS n ON n.person_id = mentors.mentor_id
$$;
