/*
 * worker_handlers.js
 *      The worker of examples/node with handlers that worker_test.py knows.
 *
 * usage: node worker_handlers.js WORKER_DIRECTORY CONNINFO QUEUE
 */
'use strict';

const [directory, conninfo, queue] = process.argv.slice(2);
const { setTimeout: sleep } = require('timers/promises');
const { Pool } = require('pg');
const { Worker, Hopeless } = require(`${directory}/worker.js`);

/* host=.. port=.. dbname=.. user=.. as node-pg takes it */
const { dbname: database, ...rest } = Object.fromEntries(conninfo.split(' ').map((pair) => pair.split('=')));
const connection = { database, ...rest };
const elsewhere = new Pool({ ...connection, max: 4 }).on('error', () => {});
const INSERT = 'INSERT INTO effects (job, read_ct) VALUES ($1, $2)';
const worker = new Worker(connection, queue, { concurrency: 4, vt: 2, unknownDelay: 600 });

worker.handle('inside', async ({ message, read_ct }, db) => {
    await db.query(INSERT, [message.job, read_ct]);
    await db.query('SELECT pg_sleep(0.01)');
}, { transaction: true });

/* An effect elsewhere: this one is safe to repeat. */
worker.handle('outside', ({ message, read_ct }) => elsewhere.query(
    `${INSERT} ON CONFLICT (job) WHERE job LIKE 'outside%' DO NOTHING`, [message.job, read_ct]));

worker.handle('flaky', async ({ message, read_ct }, db) => {
    await db.query(INSERT, [message.job, read_ct]);
    if (read_ct < 3) throw new Error('not yet: \0 \udcff \u20ac');
}, { transaction: true });

worker.handle('hopeless', async ({ message, read_ct }, db) => {
    await db.query(INSERT, [message.job, read_ct]);
    throw new Hopeless('no such customer');
}, { transaction: true });

worker.handle('odd', async ({ message, read_ct }, db) => {
    await db.query(INSERT, [message.job, read_ct]);
    if (read_ct < 2) throw Object.create(null);
}, { transaction: true });

worker.handle('careless', async ({ message, headers, read_ct }, db) => {
    if (read_ct < 2) await db.query('SELECT 1 / 0').catch(() => {});
    else if (headers['x-pgmq-error']) await db.query(INSERT, [message.job, read_ct]);
}, { transaction: true });

worker.handle('slow', async ({ message, read_ct }) => {
    await sleep(5000);
    await elsewhere.query(INSERT, [message.job, read_ct]);
});

worker.run().then(() => process.exit(0));
