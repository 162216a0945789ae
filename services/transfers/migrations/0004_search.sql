-- People are looked for as they are spelled in a hurry: without accents, in any case, in any order of words.
CREATE FUNCTION folded(written text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN lower(regexp_replace(normalize(written, NFKD), '[\u0300-\u036f]', '', 'g'));

ALTER TABLE mentor_list ADD COLUMN searched text GENERATED ALWAYS AS (folded(name || ' ' || email)) STORED;
ALTER TABLE student_list ADD COLUMN searched text GENERATED ALWAYS AS (folded(name || ' ' || email)) STORED;
