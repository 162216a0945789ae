-- The accounts and who accompanies whom (chassis/0003) stand in relais.transfers, which keeps every event for ever: it is
-- read again from its beginning. What it says of the lists is written over, and each absence says whether it was reminded of.
DELETE FROM inbox_positions WHERE topic = 'relais.transfers';
DELETE FROM parked WHERE topic = 'relais.transfers';
DELETE FROM inbox_versions
WHERE aggregate_id IN (
    SELECT student_id FROM student_list
    UNION ALL SELECT mentor_id FROM mentor_list
    UNION ALL SELECT absence_id FROM absence_list
);
