"""What a session counts as in the student's file, week by week. Pure: no clock, no ids, no I/O."""
