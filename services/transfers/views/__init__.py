"""The lists of mentors and students, fed by our own published events."""
