"""Everything of support that does I/O besides its table."""
