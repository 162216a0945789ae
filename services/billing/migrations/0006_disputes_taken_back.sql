-- A dispute may be taken back, and the line disputed anew: one row a dispute. A reason may come later.
ALTER TABLE line_disputes
    ADD COLUMN explained_at timestamptz,
    ADD COLUMN withdrawn_at timestamptz,
    DROP CONSTRAINT line_disputes_pkey,
    ADD PRIMARY KEY (line_id, disputed_at);
CREATE UNIQUE INDEX line_disputes_standing ON line_disputes (line_id) WHERE withdrawn_at IS NULL;
