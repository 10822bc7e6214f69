-- policy_set: what a policy may say, who may say it, pausing
SELECT pgmq.create('Policy_Q');
SELECT pgmq.create('policy_dead');
SELECT pgmq.create('policy_more');

-- At first there is none; absent keys stay, null removes a key, and the case of the name
-- does not matter.
SELECT pgmq.get_policy('policy_q');
SELECT pgmq.set_policy('Policy_Q', '{"max_reads": 3, "dead_letter_queue": "policy_dead"}');
SELECT pgmq.set_policy('policy_q', '{"backoff": "exponential", "backoff_base": 0.5, "max_reads": null}');
SELECT pgmq.set_policy('policy_q', '{}');
SELECT pgmq.get_policy('policy_q');
SELECT queue_name, policy, paused_until FROM pgmq.policy;
SELECT pgmq.set_policy('policy_q', '{"backoff": null, "backoff_base": null, "dead_letter_queue": null}');

-- A policy that begins to have a back-off gets a base with it, unless it has or
-- is told one; one from before that did not keeps what it has.
SELECT pgmq.set_policy('policy_more', '{"backoff": "exponential"}');
SELECT pgmq.set_policy('policy_more', '{"backoff": "linear", "backoff_base": null}');
SELECT pgmq.set_policy('policy_more', '{"backoff": "exponential"}');
SELECT pgmq.set_policy('policy_more', '{"backoff": null, "backoff_base": 3}');
SELECT pgmq.set_policy('policy_more', '{"backoff": "fixed"}');
SELECT pgmq.set_policy('policy_more', '{"backoff": null, "backoff_base": null}');
SELECT pgmq.set_policy('policy_more', '{"backoff": "fixed", "backoff_base": 4}');
SELECT pgmq.set_policy('policy_more', '{"backoff": null, "backoff_base": null}');
-- Errors have hints.
SELECT pgmq.set_policy('policy_more', '{"max_read": 1}');
SELECT pgmq.set_policy('policy_more', '{"max_reads": 1}');
SELECT pgmq.set_policy('policy_more', '{"create_dead_letter_queue": true}');

-- Every key.
SELECT jsonb_pretty(pgmq.set_policy('policy_q', '{"max_reads": 5, "dead_letter_queue": "POLICY_dead",
	"backoff": "fixed", "backoff_base": 0, "backoff_factor": 1.5, "backoff_cap": 60, "backoff_jitter": false,
	"dedup_window": 300, "ttl": 60, "ttl_header": true, "expired": "dead_letter",
	"archive_retention": 86400, "strict_fifo": true}'));

-- Values that are not a policy.
CREATE FUNCTION refused(policy jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	PERFORM pgmq.set_policy('policy_q', policy);
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' ', SQLSTATE, SQLERRM, detail);
END $$;
SELECT refused(p::jsonb) FROM (VALUES
	('[]'), ('null'), ('"max_reads"'),
	('{"max_read": 1}'), ('{"": 1}'), ('{"paused_until": "infinity"}'),
	('{"max_reads": 0}'), ('{"max_reads": -1}'), ('{"max_reads": 1.5}'), ('{"max_reads": "3"}'),
	('{"max_reads": 2147483646}'), ('{"max_reads": 2147483647}'), ('{"max_reads": 1e30}'),
	('{"max_reads": []}'), ('{"max_reads": {"a": 1}}'),
	('{"backoff": "none"}'), ('{"backoff": "fix"}'), ('{"backoff": 1}'),
	('{"backoff_base": -0.1}'), ('{"backoff_factor": 0.9}'), ('{"backoff_cap": 1e9}'),
	('{"backoff_jitter": 1}'), ('{"dedup_window": 0}'), ('{"ttl": 0}'), ('{"ttl_header": "yes"}'),
	('{"expired": "archive"}'), ('{"archive_retention": 0}'), ('{"strict_fifo": 0}'),
	('{"dead_letter_queue": 1}'), ('{"dead_letter_queue": "policy_none"}'),
	('{"dead_letter_queue": "Policy_q"}'), ('{"dead_letter_queue": "a;b"}'),
	('{"dead_letter_queue": null}'), ('{"dead_letter_queue": null, "max_reads": null}'),
	(format('{"dead_letter_queue": "%s"}', repeat('x', 100))), ('{"max_reads": 1e200}')) AS t (p);
SELECT refused('{"max_reads": 1e400}') LIKE '22023 invalid value for policy key "max_reads": 1000%' AS bounded;
SELECT pgmq.set_policy('policy_q', NULL);
SELECT pgmq.set_policy(NULL, '{}');
SELECT pgmq.set_policy('policy_none', '{}');
SELECT pgmq.get_policy('policy_none');

-- Dead letters of dead letters, but not in a circle.
SELECT pgmq.set_policy('policy_dead', '{"dead_letter_queue": "policy_more"}');
SELECT pgmq.set_policy('policy_more', '{"dead_letter_queue": "policy_q"}');

-- A table that nobody listed has no policy.
CREATE TABLE pgmq.q_policy_unlisted (LIKE pgmq.q_policy_more INCLUDING ALL);
SELECT pgmq.set_policy('policy_unlisted', '{}');
DROP TABLE pgmq.q_policy_unlisted;

-- Pausing: sends go on, no way of reading returns anything.
SELECT pgmq.send('policy_more', '1');
SELECT pgmq.pause('policy_more', 'infinity');
SELECT pgmq.send('policy_more', '2');
SELECT count(*) FROM pgmq.read('policy_more', 0, 10);
SELECT count(*) FROM pgmq.read('policy_more', 0, 10, '{"a": 1}');
SELECT count(*) FROM pgmq.read_with_poll('policy_more', 0, 10, 0);
SELECT count(*) FROM pgmq.read_grouped('policy_more', 0, 10);
SELECT count(*) FROM pgmq.read_grouped_rr('policy_more', 0, 10);
SELECT count(*) FROM pgmq.read_grouped_head('policy_more', 0, 10);
SELECT count(*) FROM pgmq.pop('policy_more', 10);
SELECT queue_length, queue_visible_length FROM pgmq.metrics('policy_more');
SELECT paused_until FROM pgmq.policy WHERE queue_name = 'policy_more';
SELECT pgmq.resume('policy_more'), pgmq.resume('policy_more');
SELECT msg_id FROM pgmq.read('policy_more', 0, 10);

-- Until a time; a policy is no obstacle, a rollback takes it back.
SELECT pgmq.pause('policy_more', clock_timestamp() - interval '1 second');
SELECT msg_id FROM pgmq.read('policy_more', 0, 10);
BEGIN;
SELECT pgmq.pause('policy_more', clock_timestamp() + interval '1 hour');
SELECT count(*) FROM pgmq.read('policy_more', 0, 10);
ROLLBACK;
SELECT msg_id FROM pgmq.read('policy_more', 0, 10);
SELECT pgmq.pause('policy_more', NULL);
SELECT pgmq.resume('policy_none');

-- In REPEATABLE READ too the policy is what it is now, and stays so.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pgmq.pause('policy_more', 'infinity');
SELECT count(*) FROM pgmq.read('policy_more', 0, 10);
COMMIT;
SELECT count(*) FROM pgmq.read('policy_more', 0, 10);

-- Only for the owner of the queue, who need not own the extension.
CREATE ROLE regress_pgmq_policy;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_policy;
GRANT SELECT, INSERT, UPDATE, DELETE ON pgmq.q_policy_more TO regress_pgmq_policy;
SET ROLE regress_pgmq_policy;
SELECT pgmq.set_policy('policy_more', '{}');
SELECT pgmq.pause('policy_more', 'infinity');
SELECT pgmq.resume('policy_more');
SELECT pgmq.get_policy('policy_more');
SELECT count(*) FROM pgmq.read('policy_more', 0, 10);
SELECT policy FROM pgmq.policy;
RESET ROLE;
ALTER TABLE pgmq.q_policy_more OWNER TO regress_pgmq_policy;
SET ROLE regress_pgmq_policy;
SELECT pgmq.resume('policy_more');
SELECT pgmq.set_policy('policy_more', '{"ttl": 1000}');
SELECT msg_id FROM pgmq.read('policy_more', 0, 10);
RESET ROLE;

-- An error names nonsense in the table, and a read says so rather than guess.
UPDATE pgmq.policy SET policy = '{"ttl": -1}' WHERE queue_name = 'policy_more';
ALTER TABLE pgmq.q_policy_more SET (fillfactor = 50);
SELECT count(*) FROM pgmq.read('policy_more', 0, 10);

-- A parallel pg_restore may load it before it knows of the queue.
SELECT pgmq.create('policy_early');
DELETE FROM pgmq.meta WHERE queue_name = 'policy_early';
INSERT INTO pgmq.policy (queue_name, policy) VALUES ('policy_early', '{"ttl": 5}');
SELECT pgmq.get_policy('policy_early');
INSERT INTO pgmq.meta VALUES ('policy_early', false, false);
SELECT pgmq.get_policy('policy_early');
SELECT pgmq.drop_queue('policy_early');

-- Gone with the queue.
SELECT pgmq.drop_queue(q) FROM unnest('{policy_q,policy_dead,policy_more}'::text[]) q;
SELECT count(*) FROM pgmq.policy;
DROP FUNCTION refused(jsonb);
DROP OWNED BY regress_pgmq_policy;
DROP ROLE regress_pgmq_policy;
