"""The service *sessions*: what became of each mentoring session."""
