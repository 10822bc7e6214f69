/* Topic bindings of the queues in pgmq_queues.sql (PGMQ 1.11 and later) */
INSERT INTO pgmq.topic_bindings (pattern, queue_name)
VALUES ('logs.#', 'jobs'), ('*.error', 'MyQueue');
