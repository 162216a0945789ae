-- The event store of one service. Columns 1-4 and notification_id are those of the eventsourcing library;
-- transaction_id orders rows by commit (see event_store.py), so the library's own index on notification_id is not needed.
CREATE TABLE stored_events (
    originator_id uuid NOT NULL,
    originator_version bigint NOT NULL,
    topic text NOT NULL,
    state bytea NOT NULL,
    notification_id bigint GENERATED ALWAYS AS IDENTITY,
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (originator_id, originator_version)
) WITH (
    -- Rows are only ever inserted: vacuum is for freezing and the visibility map, analyze keeps the planner honest.
    autovacuum_vacuum_insert_scale_factor = 0.1,
    autovacuum_analyze_scale_factor = 0.02
);

CREATE INDEX stored_events_commit_order ON stored_events (transaction_id, notification_id);

-- One row for each command that carried an Idempotency-Key and was accepted: its answer, given again when it is repeated.
CREATE TABLE commands (
    command_id uuid PRIMARY KEY,
    fingerprint text NOT NULL,
    status smallint NOT NULL,
    answer bytea NOT NULL,
    answered_at timestamptz NOT NULL DEFAULT now()
);
