-- A school of 300 mentors, 5,000 students and 100,000 sessions in forty weeks around now, written straight into the
-- services' tables: what the pages read, without the hour that its commands would take. Numbers become ids by md5.
CREATE TEMPORARY TABLE school_mentors AS
SELECT n, md5('mentor ' || n)::uuid AS id, 'Mentor ' || to_char(n, 'FM0000') AS name, 'mentor' || n || '@bench.example' AS email
FROM generate_series(1, 300) AS n;

CREATE TEMPORARY TABLE school_students AS
SELECT n, md5('student ' || n)::uuid AS id, md5('mentor ' || (1 + n % 300))::uuid AS mentor_id,
    'Élève ' || to_char(n, 'FM00000') AS name, 'eleve' || n || '@bench.example' AS email,
    (ARRAY['Python', 'Data', 'Web', 'Design'])[1 + n % 4] AS path,
    (ARRAY['third_party', 'apprenticeship', 'self_funded'])[1 + n % 3] AS funding,
    date_trunc('week', now()) - interval '36 weeks' AS enrolled_at
FROM generate_series(1, 5000) AS n;

CREATE TEMPORARY TABLE school_sessions AS
SELECT md5('session ' || s.n || ' ' || k)::uuid AS id, md5('event ' || s.n || ' ' || k)::uuid AS event_id, s.id AS student_id,
    s.mentor_id, s.path, s.enrolled_at + (2 * k) * interval '1 week' + (s.n % 5) * interval '1 day'
        + (8 + s.n % 10) * interval '1 hour' AS starts_at,
    (ARRAY['held', 'held', 'held', 'student_early', 'student_no_show'])[1 + (s.n + k) % 5] AS outcome
FROM school_students AS s, generate_series(0, 19) AS k;

INSERT INTO transfers.mentor_list (mentor_id, email, name, capacity, paths, projects, timezone, version, valid_from)
SELECT id, email, name, 30, '{Python,Data,Web,Design}', '{Projet 1}', 'Europe/Paris', 1, now() - interval '1 year'
FROM school_mentors;
INSERT INTO transfers.student_list
    (student_id, email, name, path, project, funding, language, mentor_id, enrolled_at, version, valid_from)
SELECT id, email, name, path, 'Projet 1', funding, 'fr', mentor_id, enrolled_at, 1, enrolled_at FROM school_students;

INSERT INTO sessions.sessions_list (session_id, version, student_id, mentor_id, starts_at, duration_minutes, timezone, path,
    status, reason, recoverable, valid_from)
SELECT id, 2, student_id, mentor_id, starts_at, 45, 'Europe/Paris', path,
    CASE WHEN starts_at > now() THEN 'scheduled' WHEN outcome = 'held' THEN 'held' ELSE 'cancelled' END,
    CASE WHEN starts_at < now() AND outcome <> 'held' THEN outcome END,
    CASE WHEN starts_at < now() AND outcome <> 'held' THEN outcome = 'student_early' END, least(starts_at, now())
FROM school_sessions;

INSERT INTO attendance.mentors (mentor_id, email, name) SELECT id, email, name FROM school_mentors;
INSERT INTO attendance.student_states (student_id, sequence, event_id, email, name, funding, path, enrolled_at, recorded_at)
SELECT id, 1, md5('enrolled ' || n)::uuid, email, name, funding, path, enrolled_at, enrolled_at FROM school_students;
INSERT INTO attendance.pairing_states (student_id, sequence, mentor_id, recorded_at)
SELECT id, 1, mentor_id, enrolled_at FROM school_students;
INSERT INTO attendance.session_states (student_id, session_id, sequence, event_id, mentor_id, starts_at, duration_minutes,
    outcome, recoverable, recorded_at)
SELECT student_id, id, 1, md5('planned ' || id)::uuid, mentor_id, starts_at, 45, 'planned', NULL,
    starts_at - interval '8 weeks'
FROM school_sessions
UNION ALL
SELECT student_id, id, 2, event_id, mentor_id, starts_at, 45, outcome,
    CASE WHEN outcome <> 'held' THEN outcome = 'student_early' END, starts_at
FROM school_sessions WHERE starts_at < now();

INSERT INTO billing.accounts (account_id, role, email) SELECT id, 'mentor', email FROM school_mentors;
INSERT INTO billing.names (person_id, name) SELECT id, name FROM school_mentors UNION ALL SELECT id, name FROM school_students;
INSERT INTO billing.statement_lines (line_id, mentor_id, month, kind, session_id, student_id, event_id, outcome, starts_at,
    duration_minutes, path, level, rate_cents, share_percent, amount_cents, currency, rate_version, recorded_at)
SELECT md5('line ' || id)::uuid, mentor_id, to_char(starts_at AT TIME ZONE 'Europe/Paris', 'YYYY-MM'), 'session', id,
    student_id, event_id, outcome, starts_at, 45, path, 1, 3000, CASE outcome WHEN 'held' THEN 100 ELSE 50 END,
    CASE outcome WHEN 'held' THEN 3000 ELSE 1500 END, 'EUR', 'exemple-2026', starts_at
FROM school_sessions WHERE starts_at < now();

INSERT INTO notifier.people (person_id, role, email, name, language, timezone)
SELECT id, 'student', email, name, 'fr', NULL FROM school_students
UNION ALL SELECT id, 'mentor', email, name, 'fr', 'Europe/Paris' FROM school_mentors;
INSERT INTO notifier.emails (email_id, event_id, event_type, event_subject, event_sequence, correlation_id, template,
    recipient_id, names, needs, facts, state, attempts, message_id, created_at, sent_at, settled_at, recipient, language,
    subject, text_body, html_body)
SELECT md5('email ' || s.id)::uuid, s.event_id, 'relais.sessions.SessionCancelled.v1', s.id, 2, s.event_id,
    'session_cancelled', s.student_id, '{}', ARRAY[s.student_id], '{}', 'sent', 1, '<' || s.id || '@bench.example>',
    s.starts_at, s.starts_at, s.starts_at, p.email, 'fr', 'Votre session est annulée', 'Bonjour', '<p>Bonjour</p>'
FROM school_sessions AS s JOIN school_students AS p ON p.id = s.student_id WHERE s.starts_at < now();

INSERT INTO support.audit_events (event_id, event_type, topic, source, subject, sequence, student_id, mentor_id, actor,
    occurred_at, correlation_id, data)
SELECT md5('planned ' || id)::uuid, 'relais.sessions.SessionScheduled.v1', 'relais.sessions', '/relais/sessions', id, 1,
    student_id, mentor_id, 'mentor:m@bench.example', starts_at - interval '8 weeks', event_id,
    jsonb_build_object('session_id', id, 'student_id', student_id, 'mentor_id', mentor_id, 'starts_at', starts_at,
        'duration_minutes', 45, 'timezone', 'Europe/Paris')
FROM school_sessions
UNION ALL
SELECT event_id, 'relais.sessions.SessionHeld.v1', 'relais.sessions', '/relais/sessions', id, 2, student_id, mentor_id,
    'mentor:m@bench.example', starts_at, event_id,
    jsonb_build_object('session_id', id, 'student_id', student_id, 'mentor_id', mentor_id, 'starts_at', starts_at,
        'duration_minutes', 45)
FROM school_sessions WHERE starts_at < now();

ANALYZE;
