-- The installed objects are the same whatever the session's settings make of
-- string literals and names.
SELECT current_database() AS this_database \gset
CREATE DATABASE regression_pgmq_settings;
\c regression_pgmq_settings
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SET quote_all_identifiers = on;
SET backslash_quote = off;
-- this silences the warning that there is no shared memory
SET client_min_messages = error;
CREATE EXTENSION pgmq_c;
RESET client_min_messages;
SET standard_conforming_strings = on;
SELECT pgmq.create('settings');
SELECT pgmq.bind_topic('a.*.b-c', 'settings');
SELECT compiled_regex FROM pgmq.list_topic_bindings();
\c :this_database
DROP DATABASE regression_pgmq_settings;
