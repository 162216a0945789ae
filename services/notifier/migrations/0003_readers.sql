-- Letters are read by account: the accounts of an address, and the letters that name a mentor.
CREATE INDEX people_by_email ON people (lower(email), role);
CREATE INDEX emails_needs ON emails USING gin (needs);
