-- Until now a type that was not known was passed over, so an older support beside newer services left holes in the log.
-- From now on it is set aside; what was passed over is read again. An event that stands here already is known again.
DELETE FROM inbox_positions;
DELETE FROM inbox_versions;
DELETE FROM parked WHERE state IN ('waiting', 'parked');
