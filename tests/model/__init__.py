"""The rules of both services against a plain model of them, over random sequences of all commands and of the clock."""
