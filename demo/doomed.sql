-- Work like the others until half of the files are done. Then take one more
-- message, and be slow with it.
SELECT count(*) * 2 > :total AS half_way FROM pgmq.a_files \gset
\if :half_way
    SELECT count(*) > 0 AS busy, min(msg_id) AS msg_id
      FROM pgmq.read('files', vt => 5, qty => 1) \gset
    \if :busy
        \warn holds :msg_id
        SELECT pg_sleep(600);
    \endif
\else
    \i work.sql
\endif
