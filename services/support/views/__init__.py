"""The read models of support."""
