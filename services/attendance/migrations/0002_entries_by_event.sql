-- Support asks what an event came to in the file.
CREATE UNIQUE INDEX session_states_event ON session_states (event_id);
