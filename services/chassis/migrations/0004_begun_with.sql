-- A migration that needs topics read again takes positions away. While it is applied an older version still runs, and must
-- not be the one that begins again: what is new would be missing from all that it reads. So a position says which migration
-- was the newest where its reading began, and whoever does not know that one gives way.
ALTER TABLE inbox_positions ADD COLUMN begun_with text;
