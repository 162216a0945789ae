-- Whether an event comes before or after a closing decides on which statement its line stands. So each closing keeps how
-- far the inbox was, and what was set aside, in its own transaction: then the lines can be built again from the events.
ALTER TABLE closed_statements ADD COLUMN seen jsonb;

-- Of those that are closed already the lines tell: whatever put one there, or took one away, came before.
UPDATE closed_statements AS c SET seen = jsonb_build_object('event_ids', (
    SELECT coalesce(jsonb_agg(DISTINCT of_line.event_id), '[]')
    FROM statement_lines AS l CROSS JOIN LATERAL unnest(ARRAY[l.event_id, l.superseded_by]) AS of_line (event_id)
    WHERE l.mentor_id = c.mentor_id AND l.month = c.month AND of_line.event_id IS NOT NULL
));
