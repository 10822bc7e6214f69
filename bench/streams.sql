-- What bench/streams.py measures with: each procedure returns the backend's CPU time
-- (Linux) and the WAL, of all its messages.
CREATE FUNCTION bench_cpu() RETURNS float8 LANGUAGE sql AS $$
	SELECT (f[14]::bigint + f[15]::bigint) * 10000.0 FROM string_to_array(pg_read_file('/proc/self/stat'), ' ') f
$$;
CREATE FUNCTION bench_body() RETURNS jsonb IMMUTABLE LANGUAGE sql AS $$
	SELECT '{"order": 4711, "kind": "invoice", "to": "someone@example.com", "lines": [1, 2, 3]}'::jsonb
$$;
CREATE PROCEDURE bench_send(q text, n int, INOUT cpu float8, INOUT wal float8) LANGUAGE plpgsql AS $$
DECLARE
	cpu0 float8 := bench_cpu();
	wal0 pg_lsn := pg_current_wal_insert_lsn();
BEGIN
	FOR i IN 1 .. n LOOP
		PERFORM pgmq.send(q, bench_body());
		COMMIT;
	END LOOP;
	cpu := (bench_cpu() - cpu0) / n;
	wal := (pg_current_wal_insert_lsn() - wal0) / n;
END $$;
CREATE PROCEDURE bench_send_topic(n int, INOUT cpu float8, INOUT wal float8) LANGUAGE plpgsql AS $$
DECLARE
	cpu0 float8 := bench_cpu();
	wal0 pg_lsn := pg_current_wal_insert_lsn();
BEGIN
	FOR i IN 1 .. n LOOP
		PERFORM pgmq.send_topic('orders.eu.new', bench_body());
		COMMIT;
	END LOOP;
	cpu := (bench_cpu() - cpu0) / n;
	wal := (pg_current_wal_insert_lsn() - wal0) / n;
END $$;
-- read and delete, each in a transaction of its own, until n messages are done
CREATE PROCEDURE bench_cycle(q text, qty int, n int, INOUT cpu float8, INOUT wal float8) LANGUAGE plpgsql AS $$
DECLARE
	cpu0 float8 := bench_cpu();
	wal0 pg_lsn := pg_current_wal_insert_lsn();
	ids bigint[];
	got int := 0;
BEGIN
	WHILE got < n LOOP
		SELECT array_agg(msg_id) INTO ids FROM pgmq.read(q, 60, qty);
		COMMIT;
		IF ids IS NULL THEN
			RAISE EXCEPTION '% had % messages of %', q, got, n;
		END IF;
		IF qty = 1 THEN
			PERFORM pgmq.delete(q, ids[1]);
		ELSE
			PERFORM count(*) FROM pgmq.delete(q, ids);
		END IF;
		COMMIT;
		got := got + cardinality(ids);
	END LOOP;
	cpu := (bench_cpu() - cpu0) / got;
	wal := (pg_current_wal_insert_lsn() - wal0) / got;
END $$;
-- all messages of a table, by so many
CREATE PROCEDURE bench_select(q text, qty int, INOUT cpu float8, INOUT wal float8) LANGUAGE plpgsql AS $$
DECLARE
	cpu0 float8 := bench_cpu();
	last bigint := 0;
	ids bigint[];
	got int := 0;
BEGIN
	LOOP
		EXECUTE format('SELECT array_agg(msg_id) FROM (SELECT * FROM pgmq.q_%I WHERE msg_id > $1 ORDER BY msg_id LIMIT $2) AS batch', q) INTO ids USING last, qty;
		COMMIT;
		EXIT WHEN ids IS NULL;
		got := got + cardinality(ids);
		last := ids[cardinality(ids)];
	END LOOP;
	cpu := (bench_cpu() - cpu0) / got;
	wal := 0;
END $$;
