-- The missed session in whose place a session is; who makes up for a session is looked up the other way round.
ALTER TABLE sessions_list ADD COLUMN makes_up_for uuid;

CREATE INDEX sessions_list_make_ups ON sessions_list (makes_up_for) WHERE makes_up_for IS NOT NULL;
