-- What streams cost beside a plain queue: CPU time of the backend (Linux) and WAL a
-- message.  For a superuser, in a database of its own that has the extension:
--
--     psql -X -d bench -f bench/streams.sql
\set QUIET on
CREATE OR REPLACE procedure b_cycle(q text, qty int, n int, label text) language plpgsql as $$
declare t0 bigint; t1 bigint; w0 pg_lsn; got int := 0; k int; ids bigint[]; f text[];
begin
 f := string_to_array(pg_read_file('/proc/self/stat'),' '); t0 := f[14]::bigint+f[15]::bigint; w0 := pg_current_wal_insert_lsn();
 while got < n loop
  select array_agg(msg_id) into ids from pgmq.read(q, 60, qty); commit;
  k := coalesce(array_length(ids,1),0); exit when k = 0;
  if qty = 1 then perform pgmq.delete(q, ids[1]); else perform count(*) from pgmq.delete(q, ids); end if; commit;
  got := got + k;
 end loop;
 f := string_to_array(pg_read_file('/proc/self/stat'),' '); t1 := f[14]::bigint+f[15]::bigint;
 raise notice '% qty % n %: % us/msg, % B WAL/msg', label, qty, got, round((t1-t0)*10000.0/got,2), round((pg_current_wal_insert_lsn()-w0)/got,0);
end $$;
CREATE OR REPLACE procedure b_send(q text, n int, label text) language plpgsql as $$
declare t0 bigint; t1 bigint; w0 pg_lsn; f text[];
begin
 f := string_to_array(pg_read_file('/proc/self/stat'),' '); t0 := f[14]::bigint+f[15]::bigint; w0 := pg_current_wal_insert_lsn();
 for i in 1..n loop perform pgmq.send(q, '{"order":1234567,"customer":"somebody","lines":[1,2,3]}'); commit; end loop;
 f := string_to_array(pg_read_file('/proc/self/stat'),' '); t1 := f[14]::bigint+f[15]::bigint;
 raise notice 'send %: % us/msg, % B WAL/msg', label, round((t1-t0)*10000.0/n,2), round((pg_current_wal_insert_lsn()-w0)/n,0);
end $$;

SELECT count(pgmq.create(n)) FROM unnest(ARRAY['bench_plain']) n;
SELECT pgmq.create_stream('bench_log');
CALL b_send('bench_plain', 20000, 'to a plain queue');
CALL b_send('bench_log', 20000, 'to a stream with 0 subscriptions');
SELECT count(pgmq.create_subscription('bench_sub' || g, 'bench_log')) FROM generate_series(1, 10) g;
CALL b_send('bench_log', 20000, 'to a stream with 10 subscriptions');
SELECT count(pgmq.create_subscription('bench_sub' || g, 'bench_log')) FROM generate_series(11, 100) g;
CALL b_send('bench_log', 20000, 'to a stream with 100 subscriptions');
CREATE OR REPLACE PROCEDURE b_fill(n int) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pgmq.purge_queue('bench_plain'), pgmq.seek('bench_sub1', 'latest', '{"force": true}');
	FOR i IN 1 .. n / 1000 LOOP
		PERFORM count(*) FROM pgmq.send_batch('bench_plain', array_fill('{"order":1234567,"customer":"somebody","lines":[1,2,3]}'::jsonb, ARRAY[1000]));
		PERFORM count(*) FROM pgmq.send_batch('bench_log', array_fill('{"order":1234567,"customer":"somebody","lines":[1,2,3]}'::jsonb, ARRAY[1000]));
	END LOOP;
END $$;
CALL b_fill(10000);
VACUUM ANALYZE pgmq.q_bench_plain, pgmq.q_bench_log;
CALL b_cycle('bench_plain', 1, 10000, 'plain queue');
CALL b_cycle('bench_sub1', 1, 10000, 'subscription');
CALL b_fill(30000);
VACUUM ANALYZE pgmq.q_bench_plain, pgmq.q_bench_log;
CALL b_cycle('bench_plain', 10, 30000, 'plain queue');
CALL b_cycle('bench_sub1', 10, 30000, 'subscription');
CALL b_fill(100000);
VACUUM ANALYZE pgmq.q_bench_plain, pgmq.q_bench_log;
CALL b_cycle('bench_plain', 100, 100000, 'plain queue');
CALL b_cycle('bench_sub1', 100, 100000, 'subscription');
CALL b_fill(100000);
VACUUM ANALYZE pgmq.q_bench_plain, pgmq.q_bench_log;
CALL b_cycle('bench_plain', 1000, 100000, 'plain queue');
CALL b_cycle('bench_sub1', 1000, 100000, 'subscription');
SELECT count(pgmq.drop_queue(n)) FROM (SELECT 'bench_plain' UNION ALL SELECT 'bench_sub' || g FROM generate_series(1, 100) g) x (n);
SELECT pgmq.drop_queue('bench_log');
DROP PROCEDURE b_cycle, b_send, b_fill;
