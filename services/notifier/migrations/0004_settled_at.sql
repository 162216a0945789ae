-- When an e-mail was sent or failed for good, so that the list can be read as of an earlier instant.
ALTER TABLE emails ADD COLUMN settled_at timestamptz;
UPDATE emails SET settled_at = sent_at WHERE state = 'sent';
