"""Transfers: mentors, students, and who accompanies whom."""
