-- api_nack: giving messages back, when the caller says or when the policy does
SELECT pgmq.create('nack');
SELECT count(*) FROM pgmq.send_batch('nack', (SELECT array_agg(to_jsonb(n)) FROM generate_series(1, 6) n));
-- seconds from now until each is readable, rounded up; 0 for those that are
CREATE VIEW nack_exact AS SELECT msg_id, read_ct, GREATEST(ceil(extract(epoch FROM vt - clock_timestamp())), 0) AS after FROM pgmq.q_nack ORDER BY msg_id;
-- the same when some time has passed since they were read, for 2000 seconds
CREATE VIEW nack_in AS SELECT msg_id, read_ct, CASE WHEN after BETWEEN 1900 AND 2000 THEN 2000 ELSE after END AS after FROM nack_exact;
SELECT msg_id FROM pgmq.read('nack', 2000, 6);

-- Without a policy: at once; with a delay: after that.
SELECT pgmq.nack('nack', 1), pgmq.nack('nack', 2, 100), pgmq.nack('nack', 3, NULL::integer), pgmq.nack('nack', 4, 0), pgmq.nack('nack', 99), pgmq.nack('nack', NULL::bigint);
SELECT * FROM nack_in;
SELECT msg_id, read_ct FROM pgmq.read('nack', 2000, 6);
-- fenced
SELECT pgmq.nack('nack', 1, 5, 1), pgmq.nack('nack', 1, 5, 2), pgmq.nack('nack', 3, NULL, 1), pgmq.nack('nack', 3, NULL, 2);
SELECT * FROM nack_in;
-- batches: ids come in order, those that are not there do not
SELECT * FROM pgmq.nack('nack', ARRAY[6, 5, 5, NULL, 99]);
SELECT * FROM pgmq.nack('nack', ARRAY[6, 5], 7);
SELECT * FROM nack_in WHERE msg_id > 4;
SELECT * FROM pgmq.nack('nack', ARRAY[6, 5, 4, NULL], ARRAY[60, 50, NULL, 1]);
SELECT * FROM nack_in;
SELECT * FROM pgmq.nack('nack', ARRAY[1, 2, 5], 9, ARRAY[2, 2, 1]);
SELECT * FROM pgmq.nack('nack', ARRAY[5, 1, 2], ARRAY[500, 100, 200], ARRAY[1, 2, 2]);
SELECT * FROM nack_in;
SELECT * FROM pgmq.nack('nack', NULL::bigint[]) a, pgmq.nack('nack', '{}'::bigint[], 1) b;
SELECT pgmq.nack('nack', 1, 2147483647);
SELECT vt > now() + interval '68 years' AS far FROM pgmq.q_nack WHERE msg_id = 1;

-- The policy computes the delay from read_ct, whatever that is.
CREATE FUNCTION nack_after(policy jsonb, VARIADIC reads integer[]) RETURNS SETOF numeric LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pgmq.set_policy('nack', '{"backoff_base": null, "backoff_factor": null, "backoff_cap": null, "backoff_jitter": false}'::jsonb || policy);
	FOR i IN 1 .. cardinality(reads) LOOP
		UPDATE pgmq.q_nack SET read_ct = reads[i], vt = 'infinity' WHERE msg_id = 6;
		PERFORM pgmq.nack('nack', 6);
		RETURN QUERY SELECT after FROM nack_exact WHERE msg_id = 6;
	END LOOP;
END $$;
SELECT array_agg(a) FROM nack_after('{"backoff": "fixed"}', 0, 1, 2, 2147483647) a;
SELECT array_agg(a) FROM nack_after('{"backoff": "fixed", "backoff_base": 2.5}', 1, 2) a;
SELECT array_agg(a) FROM nack_after('{"backoff": "linear", "backoff_base": 10}', 0, 1, 2, 3, 1000, 2147483647) a;
SELECT array_agg(a) FROM nack_after('{"backoff": "exponential"}', -1, 0, 1, 2, 3, 4, 12, 13, 2000, 2147483647) a;
SELECT array_agg(a) FROM nack_after('{"backoff": "exponential", "backoff_base": 3, "backoff_factor": 10, "backoff_cap": 299}', 1, 2, 3, 2147483647) a;
SELECT array_agg(a) FROM nack_after('{"backoff": "exponential", "backoff_base": 0, "backoff_factor": 100}', 1, 2147483647) a;
SELECT array_agg(a) FROM nack_after('{"backoff": "exponential", "backoff_factor": 1}', 1, 2147483647) a;
SELECT array_agg(a) FROM nack_after('{"backoff": "exponential", "backoff_factor": 100, "backoff_cap": 315360000}', 2147483647) a;
SELECT array_agg(a) FROM nack_after('{"backoff": "fixed", "backoff_cap": 0}', 1) a;
SELECT array_agg(a) FROM nack_after('{"backoff": null}', 3) a;
-- with jitter: anything from half of it on, and not always the same
SELECT count(DISTINCT a) > 20, min(a) >= 500, max(a) <= 1000, max(a) > 750, min(a) < 750
	FROM nack_after('{"backoff": "fixed", "backoff_base": 1000, "backoff_jitter": true}', VARIADIC array_fill(1, ARRAY[50])) a;
-- a delay of the caller's goes before the policy's
SELECT pgmq.nack('nack', 6, 33);
SELECT * FROM nack_in WHERE msg_id = 6;
-- one that is given back is not read before, and then is
SELECT pgmq.set_policy('nack', '{"backoff": "fixed", "backoff_base": 1.5, "backoff_jitter": false, "max_reads": null}');
DELETE FROM pgmq.q_nack WHERE msg_id < 6;
UPDATE pgmq.q_nack SET read_ct = 0;
SELECT pgmq.nack('nack', 6);
SELECT count(*) FROM pgmq.read('nack', 1000, 1);
SELECT msg_id, read_ct FROM pgmq.read_with_poll('nack', 1000, 1, 10);

-- Bad input
\set VERBOSITY sqlstate
SELECT pgmq.nack('nack_nowhere', 1);					-- 42P01
SELECT pgmq.nack(NULL, 1);								-- 22004
SELECT pgmq.nack('nack', 6, -1);						-- 22023
SELECT pgmq.nack('nack', 6, -2147483648, 1);
SELECT pgmq.nack('nack', ARRAY[6], -1);
SELECT pgmq.nack('nack', ARRAY[6], ARRAY[-1]);
SELECT pgmq.nack('nack', 6, 1, NULL);					-- 22004
SELECT pgmq.nack('nack', ARRAY[6], 1, NULL);
SELECT pgmq.nack('nack', ARRAY[6], ARRAY[1], ARRAY[NULL::integer]);
SELECT pgmq.nack('nack', ARRAY[6], ARRAY[1, 2]);		-- 2202E
SELECT pgmq.nack('nack', ARRAY[6], '{}'::integer[]);
SELECT pgmq.nack('nack', ARRAY[6], 1, ARRAY[1, 2]);
\set VERBOSITY default
SELECT * FROM nack_in WHERE after < 900;

DROP FUNCTION nack_after(jsonb, integer[]);
DROP VIEW nack_in, nack_exact;
SELECT pgmq.drop_queue('nack');
