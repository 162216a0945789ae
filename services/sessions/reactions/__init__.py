"""What this service does when something happens elsewhere: one file an event."""
