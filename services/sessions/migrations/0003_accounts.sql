-- The accounts and who accompanies whom (chassis/0003) stand in relais.transfers, which keeps every event for ever: it is
-- read again from its beginning. What it says of students and mentors is written over; a transfer knows its own work again.
DELETE FROM inbox_positions WHERE topic = 'relais.transfers';
DELETE FROM parked WHERE topic = 'relais.transfers';
DELETE FROM inbox_versions
WHERE aggregate_id IN (SELECT student_id FROM students UNION ALL SELECT mentor_id FROM mentors);
