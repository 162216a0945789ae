-- The letters to an address, among all that were ever sent.
CREATE INDEX emails_to ON emails (lower(recipient)) WHERE recipient IS NOT NULL;
