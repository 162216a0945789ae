-- Whose account an e-mail is. Written in the transaction of the mentor's events, so that a transfer finds a mentor who was
-- registered a moment ago, and no two mentors share an address. `email` is case-folded; it is matched whole, never in part.
CREATE TABLE mentor_emails (
    email text PRIMARY KEY,
    mentor_id uuid NOT NULL UNIQUE
);

-- The lists, fed by our own events. `version` is that of the event that last changed the row.
CREATE TABLE mentor_list (
    mentor_id uuid PRIMARY KEY,
    email text NOT NULL,
    name text NOT NULL,
    capacity integer NOT NULL,
    paths text[] NOT NULL,
    projects text[] NOT NULL,
    timezone text NOT NULL,
    version bigint NOT NULL
);
CREATE INDEX mentor_list_by_name ON mentor_list (name, mentor_id);

CREATE TABLE student_list (
    student_id uuid PRIMARY KEY,
    email text NOT NULL,
    name text NOT NULL,
    path text NOT NULL,
    project text NOT NULL,
    funding text NOT NULL,
    training_day text,
    language text NOT NULL,
    mentor_id uuid NOT NULL,
    enrolled_at timestamptz NOT NULL,
    version bigint NOT NULL
);
CREATE INDEX student_list_by_name ON student_list (name, student_id);
CREATE INDEX student_list_by_mentor ON student_list (mentor_id, name, student_id);
CREATE INDEX student_list_by_email ON student_list (lower(email));
