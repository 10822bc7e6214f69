CREATE EXTENSION pgmq_c;
SELECT pgmq.create('files');
CREATE TABLE digest (path text PRIMARY KEY, sha256 text NOT NULL, worker text NOT NULL);
