"""The rules of a session. Pure: no clock, no ids, no I/O; each command's file states its rule."""
