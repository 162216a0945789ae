"""Notifier: tells people by e-mail what happened to their sessions and who accompanies them."""
