"""Where the service *sessions* meets the outside: HTTP and the published contract."""
