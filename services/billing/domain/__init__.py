"""What a session is worth and on which statement it stands. Pure: no clock, no ids, no I/O."""
