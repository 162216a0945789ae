-- The accounts and who accompanies whom (chassis/0003) stand in relais.transfers, which keeps every event for ever: it is
-- read again from its beginning, and with it what it says of students.
DELETE FROM inbox_positions WHERE topic = 'relais.transfers';
DELETE FROM parked WHERE topic = 'relais.transfers';
DELETE FROM inbox_versions
WHERE aggregate_id IN (SELECT student_id FROM student_states UNION ALL SELECT mentor_id FROM mentors);
TRUNCATE student_states, pairing_states;
DROP INDEX mentors_by_email;
