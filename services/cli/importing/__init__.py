"""Reading the files that a school already has: people, sessions and calendars.

Each reader is a pure generator over one file: it gives rows and problems, each with its line, in the file's order and
one at a time, so that a file of any length takes the same memory. Nothing here asks a server anything.
"""
