"""Read models of the service *sessions*: one file each."""
