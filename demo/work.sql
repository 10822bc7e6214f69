-- Take the next file. No other worker gets it for the next 5 seconds.
SELECT count(*) = 0 AS nothing, min(msg_id) AS msg_id, min(message->>'path') AS path
  FROM pgmq.read_with_poll('files', vt => 5, qty => 1, max_poll_seconds => 1) \gset
\if :nothing
    -- End when everything is done. Until then another worker may still fail.
    SELECT queue_length = 0 AS done FROM pgmq.metrics('files') \gset
    \if :done
        \q
    \endif
\else
    -- The result is stored and the message archived in one transaction.
    BEGIN;
    INSERT INTO digest
      VALUES (:'path', encode(sha256(pg_read_binary_file(:'path')), 'hex'), :'worker')
      ON CONFLICT DO NOTHING;
    SELECT pgmq.archive('files', :msg_id);
    COMMIT;
    SELECT pg_sleep(0.01);  -- so that there is something to watch
\endif
