"""The rules of transfers, pure: no clock, no id, no I/O."""
