-- The people that letters are written to, as the directory (relais.transfers) says.
CREATE TABLE people (
    person_id uuid PRIMARY KEY,
    role text NOT NULL CHECK (role IN ('mentor', 'student')),
    email text NOT NULL,
    name text NOT NULL,
    language text NOT NULL CHECK (language IN ('fr', 'en')),
    timezone text
);

-- One row an e-mail: inserted with the inbox position of the event that causes it, rendered when it is first tried.
CREATE TABLE emails (
    email_id uuid PRIMARY KEY,
    event_id uuid NOT NULL,
    event_type text NOT NULL,
    event_subject uuid NOT NULL,
    event_sequence bigint NOT NULL,
    correlation_id uuid NOT NULL,
    template text NOT NULL,
    recipient_id uuid NOT NULL,
    names jsonb NOT NULL,
    needs uuid[] NOT NULL,
    facts jsonb NOT NULL,
    calendar text CHECK (calendar IN ('REQUEST', 'CANCEL')),
    state text NOT NULL CHECK (state IN ('queued', 'sent', 'failed', 'suppressed')),
    attempts integer NOT NULL DEFAULT 0,
    resends integer NOT NULL DEFAULT 0,
    message_id text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    last_error text,
    recipient text,
    language text,
    subject text,
    text_body text,
    html_body text,
    UNIQUE (event_id, template, recipient_id),
    CHECK ((state = 'sent') = (sent_at IS NOT NULL))
) WITH (fillfactor = 70);

CREATE INDEX emails_due ON emails (next_attempt_at, email_id) WHERE state = 'queued';
CREATE INDEX emails_newest ON emails (created_at DESC, email_id DESC);
CREATE INDEX emails_recipient ON emails (recipient_id, created_at DESC);
