-- Support receives letters too, under one address; and a student's present mentor says who gives whom back (T16).
ALTER TABLE people DROP CONSTRAINT people_role_check;
ALTER TABLE people ADD CONSTRAINT people_role_check CHECK (role IN ('mentor', 'student', 'support'));
ALTER TABLE people ADD COLUMN mentor_id uuid;
