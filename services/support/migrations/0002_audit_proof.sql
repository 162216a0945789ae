-- The proof: each row's digest covers the row and the digest before it, in one chain for each partition of a topic, in
-- the order in which events arrived. What stands here has none, so all is read again from the beginning of the topics.
TRUNCATE audit_events;
DELETE FROM inbox_positions;
DELETE FROM inbox_versions;
DELETE FROM parked WHERE state IN ('waiting', 'parked');

ALTER TABLE audit_events
    ADD COLUMN partition integer,
    ADD COLUMN record_offset bigint,
    ADD COLUMN number bigint,
    ADD COLUMN digest bytea;

CREATE UNIQUE INDEX audit_events_chain ON audit_events (topic, partition, number);

-- The last entry of each chain, moved in the transaction that adds to it.
CREATE TABLE audit_heads (
    topic text NOT NULL,
    partition integer NOT NULL,
    number bigint NOT NULL,
    digest bytea NOT NULL,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);
