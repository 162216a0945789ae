"""The proof of the audit log; pure."""
