"""Everything of transfers that does I/O."""
