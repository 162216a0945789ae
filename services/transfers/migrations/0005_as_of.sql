-- Both topics keep every event for ever: they are read again from their beginning, and every list with them.
DELETE FROM inbox_positions;
DELETE FROM inbox_versions;
DELETE FROM parked;
TRUNCATE planned_sessions, mentor_list, student_list, absence_list;

-- Planned sessions, one row a version: an absence also counts what the mentor moved out of it since, and can be read as
-- of any instant. A row holds from `valid_from` until the next version of its session.
ALTER TABLE planned_sessions
    ADD COLUMN version bigint NOT NULL,
    ADD COLUMN reason text,
    ADD COLUMN cause text,
    ADD COLUMN makes_up_for uuid,
    ADD COLUMN moved_by text,
    ADD COLUMN valid_from timestamptz NOT NULL,
    DROP CONSTRAINT planned_sessions_pkey,
    ADD PRIMARY KEY (session_id, version);

-- The lists, one row a version too. The present has no `valid_to`.
ALTER TABLE mentor_list
    ADD COLUMN valid_from timestamptz NOT NULL,
    ADD COLUMN valid_to timestamptz,
    DROP CONSTRAINT mentor_list_pkey,
    ADD PRIMARY KEY (mentor_id, version);
CREATE INDEX mentor_list_present ON mentor_list (mentor_id) WHERE valid_to IS NULL;

ALTER TABLE student_list
    ADD COLUMN valid_from timestamptz NOT NULL,
    ADD COLUMN valid_to timestamptz,
    DROP CONSTRAINT student_list_pkey,
    ADD PRIMARY KEY (student_id, version);
CREATE INDEX student_list_present ON student_list (student_id) WHERE valid_to IS NULL;

ALTER TABLE absence_list
    ADD COLUMN valid_from timestamptz NOT NULL,
    ADD COLUMN valid_to timestamptz,
    DROP CONSTRAINT absence_list_pkey,
    ADD PRIMARY KEY (absence_id, version);
CREATE INDEX absence_list_present ON absence_list (absence_id) WHERE valid_to IS NULL;
