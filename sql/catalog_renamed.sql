-- catalog_renamed: what surrounds a queue has another name for a while, and then its own
SET client_min_messages = warning;
SELECT pgmq.create('renamed');
SELECT pgmq.set_policy('renamed', '{"ttl_header": true}');
SELECT pgmq.send('renamed', '1');

-- The table of policies: without it a queue has none, but that is not kept.
ALTER TABLE pgmq.policy RENAME TO policies;
\c
SET client_min_messages = warning;
SELECT pgmq.send('renamed', '2', '{"x-pgmq-ttl": "soon"}'::jsonb);
ALTER TABLE pgmq.policies RENAME TO policy;
SELECT pgmq.send('renamed', '3', '{"x-pgmq-ttl": "soon"}'::jsonb);

-- The schema.
ALTER SCHEMA pgmq RENAME TO renamed;
SELECT renamed.send('renamed', '4');
INSERT INTO renamed.q_renamed (message) VALUES ('5');
ALTER SCHEMA renamed RENAME TO pgmq;
SELECT pgmq.send('renamed', '6');
SELECT message FROM pgmq.read('renamed', 60, 10);
SELECT message FROM pgmq.read('renamed', 60, 10);
SELECT pgmq.send('renamed', '7', '{"x-pgmq-ttl": "soon"}'::jsonb);
SELECT message FROM pgmq.read('renamed', 60, 10);
SELECT pgmq.drop_queue('renamed');
