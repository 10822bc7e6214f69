/* pgmq_c--1.0.0--1.1.0.sql: what 1.1.0 adds */

-- complain if script is sourced in psql, rather than via CREATE or ALTER EXTENSION
\echo Use "ALTER EXTENSION pgmq_c UPDATE" to load this file. \quit /* extension name */

/*
 * This runs after pgmq_c--1.0.0.sql in CREATE EXTENSION, and alone in ALTER
 * EXTENSION .. UPDATE.  Under the name pgmq it can run again over itself.
 */
SET LOCAL search_path TO pg_catalog, pg_temp;
