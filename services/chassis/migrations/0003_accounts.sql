-- Whose account an e-mail is, from relais.transfers. `email` is case-folded. Who may see what is decided by these two.
CREATE TABLE accounts (
    account_id uuid PRIMARY KEY,
    role text NOT NULL CHECK (role IN ('mentor', 'student')),
    email text NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX accounts_by_email ON accounts (email, role);

-- Who accompanies a student now, and to whom the student is to come back, oldest first.
CREATE TABLE companions (
    student_id uuid PRIMARY KEY,
    mentor_id uuid NOT NULL,
    lender_ids uuid[] NOT NULL DEFAULT '{}'
) WITH (fillfactor = 80);
CREATE INDEX companions_by_mentor ON companions (mentor_id);
CREATE INDEX companions_by_lender ON companions USING gin (lender_ids);
