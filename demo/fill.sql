CREATE TEMP TABLE header (path text);
\copy header FROM 'headers.txt'
SELECT count(*) AS sent
  FROM pgmq.send_batch('files', ARRAY(SELECT jsonb_build_object('path', path) FROM header));
