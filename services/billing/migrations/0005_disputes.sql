-- Lines that a mentor disputed, with the answer once there is one.
CREATE TABLE line_disputes (
    line_id uuid PRIMARY KEY,
    mentor_id uuid NOT NULL,
    month text NOT NULL,
    reason text NOT NULL,
    disputed_at timestamptz NOT NULL,
    disputed_by text NOT NULL,
    answer text,
    settled_at timestamptz,
    settled_by text,
    CHECK ((answer IS NULL) = (settled_at IS NULL))
);
CREATE INDEX line_disputes_by_time ON line_disputes (disputed_at, line_id);
