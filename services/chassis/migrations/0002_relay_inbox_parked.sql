-- Relay: how far the service's events are published, in commit order. A relay that takes over raises the epoch, so that
-- a position is never moved by one that was replaced without noticing.
CREATE TABLE relay_position (
    relay text PRIMARY KEY,
    epoch bigint NOT NULL,
    transaction_id bigint NOT NULL DEFAULT 0,
    notification_id bigint NOT NULL DEFAULT 0,
    moved_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- Inbox: the next offset to take effect, moved in the transaction of the effect itself.
CREATE TABLE inbox_positions (
    consumer text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL DEFAULT 0,
    moved_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, topic, partition)
) WITH (fillfactor = 50);

-- Inbox: the last version of each aggregate that took effect (or was parked). What is not newer is a double.
CREATE TABLE inbox_versions (
    consumer text NOT NULL,
    aggregate_id uuid NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (consumer, aggregate_id)
) WITH (fillfactor = 80);

-- What could not take effect, with everything later of the same key, in the order of its offsets.
-- waiting: what it refers to has not arrived, tried again by itself; parked: a person decides.
CREATE TABLE parked (
    parked_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    record_key bytea NOT NULL,
    header_names text[] NOT NULL,
    header_values bytea[] NOT NULL,
    record_value bytea,
    error text NOT NULL,
    attempts integer NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'parked', 'retried', 'skipped')),
    parked_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz,
    settled_by text,
    reason text,
    UNIQUE (consumer, topic, partition, record_offset),
    CHECK ((state IN ('retried', 'skipped')) = (settled_at IS NOT NULL)),
    CHECK (state <> 'skipped' OR (settled_by IS NOT NULL AND reason IS NOT NULL))
);

CREATE INDEX parked_open ON parked (consumer, topic, record_key, record_offset) WHERE state IN ('waiting', 'parked');
