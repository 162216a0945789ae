"""Building a view again beside the live one, from the first event on: compared row by row, then switched."""
