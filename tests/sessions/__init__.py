"""The service *sessions*: its rules as sentences, then the service whole on real servers."""
