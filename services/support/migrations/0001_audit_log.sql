-- Every published event, once, as it was published. Rows are only ever inserted.
CREATE TABLE audit_events (
    event_id uuid PRIMARY KEY,
    event_type text NOT NULL,
    topic text NOT NULL,
    source text NOT NULL,
    subject uuid NOT NULL,
    sequence bigint NOT NULL,
    student_id uuid,
    mentor_id uuid,
    actor text NOT NULL,
    occurred_at timestamptz NOT NULL,
    correlation_id uuid NOT NULL,
    causation_id uuid,
    traceparent text,
    data jsonb NOT NULL
) WITH (autovacuum_vacuum_insert_scale_factor = 0.1);

CREATE INDEX audit_events_newest ON audit_events (occurred_at DESC, event_id DESC);
CREATE INDEX audit_events_of_subject ON audit_events (subject, occurred_at DESC, event_id DESC);
CREATE INDEX audit_events_of_student ON audit_events (student_id, occurred_at DESC, event_id DESC);
CREATE INDEX audit_events_of_actor ON audit_events (actor, occurred_at DESC, event_id DESC);
CREATE INDEX audit_events_of_email ON audit_events (split_part(actor, ':', 2), occurred_at DESC, event_id DESC);
CREATE INDEX audit_events_of_type ON audit_events (event_type, occurred_at DESC, event_id DESC);
CREATE INDEX audit_events_of_correlation ON audit_events (correlation_id);
CREATE INDEX audit_events_of_cause ON audit_events (causation_id) WHERE causation_id IS NOT NULL;
