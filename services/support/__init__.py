"""support: the audit log of everything that is published, and what each event caused."""
