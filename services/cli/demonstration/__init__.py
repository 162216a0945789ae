"""The demonstration school: who there is, what happened to them, and the files that tell it."""
