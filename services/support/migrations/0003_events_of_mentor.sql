-- What concerns a mentor, for the timeline: also who came from them, and who went to them.
ALTER TABLE audit_events
    ADD COLUMN from_mentor_id uuid GENERATED ALWAYS AS ((data ->> 'from_mentor_id')::uuid) STORED,
    ADD COLUMN to_mentor_id uuid GENERATED ALWAYS AS ((data ->> 'to_mentor_id')::uuid) STORED;

CREATE INDEX audit_events_of_mentor ON audit_events (mentor_id, occurred_at DESC, event_id DESC)
    WHERE mentor_id IS NOT NULL;
CREATE INDEX audit_events_from_mentor ON audit_events (from_mentor_id, occurred_at DESC, event_id DESC)
    WHERE from_mentor_id IS NOT NULL;
CREATE INDEX audit_events_to_mentor ON audit_events (to_mentor_id, occurred_at DESC, event_id DESC)
    WHERE to_mentor_id IS NOT NULL;
