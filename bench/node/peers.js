// Runs a queue written for Node.js by its own public API and prints what came out as JSON.
//
// usage: node peers.js PEER MODE SOCKET_DIRECTORY DATABASE BODY [ARGUMENT ..]
//
//   install                        make the schema and the queue; prints the version
//   fill COUNT DELAY               COUNT messages, due in so many seconds
//   cycles SECONDS CLIENTS BATCH STEP   send, take and finish; a rate for each STEP seconds
//   drain COUNT CLIENTS BATCH      take and finish COUNT messages; for the example worker BATCH 1 means in transactions
//   wake COUNT                     milliseconds from sending to the work, at rest
'use strict';

const [peer, mode, socket, database, body, ...rest] = process.argv.slice(2);
const args = rest.map(Number);
const payload = JSON.parse(body);
const connection = { host: socket, port: 5432, user: 'postgres', database };
const sleep = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));
const clock = () => performance.now() / 1000;

// Counts the work done, and cuts it into steps.
class Counter {
    constructor(seconds, step) {
        this.begun = clock();
        this.step = step;
        this.seconds = seconds;
        this.counts = new Array(Math.floor(seconds / step)).fill(0);
    }
    get over() { return clock() - this.begun >= this.seconds; }
    add(count) {
        const i = Math.floor((clock() - this.begun) / this.step);
        if (i < this.counts.length) this.counts[i] += count;
    }
    get rates() { return this.counts.map((count) => count / this.step); }
}

// ---------------------------------------------------------------------------
// pg-boss
// ---------------------------------------------------------------------------

async function pgBoss() {
    const PgBoss = require('pg-boss');
    const boss = new PgBoss({ ...connection, max: args[1] || 4, schedule: false, supervise: mode === 'cycles' });
    boss.on('error', (error) => { throw error; });
    await boss.start();
    const jobs = (count, more) => Array.from({ length: count }, () => ({ name: 'bench', data: payload, ...more }));
    let result;

    if (mode === 'install') {
        await boss.createQueue('bench');
        result = { version: require('pg-boss/package.json').version };
    } else if (mode === 'fill') {
        for (let left = args[0]; left > 0; left -= 5000) {
            await boss.insert(jobs(Math.min(left, 5000), args[1] ? { startAfter: String(args[1]) } : {}));
        }
        result = {};
    } else if (mode === 'cycles') {
        const [seconds, clients, batch, step] = args;
        const counter = new Counter(seconds, step);
        await Promise.all(Array.from({ length: clients }, async () => {
            while (!counter.over) {
                if (batch === 1) await boss.send('bench', payload);
                else await boss.insert(jobs(batch));
                const got = await boss.fetch('bench', { batchSize: batch });
                if (got.length > 0) await boss.complete('bench', got.map((job) => job.id));
                counter.add(got.length);
            }
        }));
        result = { rates: counter.rates };
    } else if (mode === 'drain') {
        const [count, clients, batch] = args;
        const begun = clock();
        let left = count;
        await Promise.all(Array.from({ length: clients }, async () => {
            for (;;) {
                const got = await boss.fetch('bench', { batchSize: batch });
                if (got.length === 0) break;
                await boss.complete('bench', got.map((job) => job.id));
                left -= got.length;
            }
        }));
        if (left !== 0) throw new Error(`${left} jobs left`);
        result = { rate: count / (clock() - begun) };
    } else if (mode === 'wake') {
        const took = [];
        let sent, arrived;
        await boss.work('bench', async () => { took.push(1000 * (clock() - sent)); arrived(); });
        for (let i = 0; i < args[0]; i++) {
            const there = new Promise((resolve) => { arrived = resolve; });
            await sleep(0.1 + Math.random());
            sent = clock();
            await boss.send('bench', payload);
            await there;
        }
        result = { milliseconds: took };
    }
    await boss.stop({ graceful: false });
    return result;
}

// ---------------------------------------------------------------------------
// graphile-worker
// ---------------------------------------------------------------------------

async function graphileWorker() {
    const { run, makeWorkerUtils, Logger } = require('graphile-worker');
    const { Pool } = require('pg');
    const pool = new Pool({ ...connection, max: (args[1] || 4) + 2 });
    const options = { pgPool: pool, logger: new Logger(() => () => {}), noHandleSignals: true };
    const utils = await makeWorkerUtils(options);
    const worker = (concurrency, task) => run({ ...options, concurrency, taskList: { bench: task } });
    let result;

    if (mode === 'install') {
        await utils.migrate();
        result = { version: require('graphile-worker/package.json').version };
    } else if (mode === 'fill') {
        for (let left = args[0]; left > 0; left -= 5000) {
            await pool.query(
                'SELECT count(*) FROM graphile_worker.add_jobs(ARRAY(SELECT ($1, $2::json, NULL, now() +'
                + " $3 * interval '1 s', NULL, NULL, NULL, NULL)::graphile_worker.job_spec"
                + ' FROM generate_series(1, $4)))', ['bench', body, args[1], Math.min(left, 5000)]);
        }
        result = {};
    } else if (mode === 'cycles') {
        // each client finishes a job, and sends one from within
        const [seconds, clients, , step] = args;
        const counter = new Counter(seconds, step);
        const runner = await worker(clients, async (_, helpers) => {
            if (counter.over) return;
            await helpers.addJob('bench', payload);
            counter.add(1);
        });
        await sleep(seconds);
        await runner.stop();
        result = { rates: counter.rates };
    } else if (mode === 'drain') {
        const [count, clients] = args;
        let left = count, empty;
        const drained = new Promise((resolve) => { empty = resolve; });
        const begun = clock();
        const runner = await worker(clients, async () => { if (--left === 0) empty(); });
        await drained;
        result = { rate: count / (clock() - begun) };
        await runner.stop();
    } else if (mode === 'wake') {
        const took = [];
        let sent, arrived;
        const runner = await worker(1, async () => { took.push(1000 * (clock() - sent)); arrived(); });
        for (let i = 0; i < args[0]; i++) {
            const there = new Promise((resolve) => { arrived = resolve; });
            await sleep(0.1 + Math.random() / 10);
            sent = clock();
            await utils.addJob('bench', payload);
            await there;
        }
        await runner.stop();
        result = { milliseconds: took };
    }
    await utils.release();
    await pool.end();
    return result;
}

// ---------------------------------------------------------------------------
// pgmq_c by the worker of examples/node, of which WORKER is the path
// ---------------------------------------------------------------------------

async function exampleWorker() {
    const { Worker } = require(process.env.WORKER);
    const { Pool } = require('pg');
    const pool = new Pool(connection);
    let result;

    if (mode === 'install') {
        await pool.query('CREATE EXTENSION IF NOT EXISTS pgmq_c');
        await pool.query("SELECT pgmq.create('worker')");
        result = { version: require('pg/package.json').version };
    } else if (mode === 'fill') {
        for (let left = args[0]; left > 0; left -= 5000) {
            await pool.query("SELECT pgmq.send_batch('worker', array_agg($1::jsonb), array_agg($2::jsonb), $3::integer)"
                + ' FROM generate_series(1, $4)', [body, { kind: 'bench' }, args[1] || 0, Math.min(left, 5000)]);
        }
        result = {};
    } else if (mode === 'drain') {
        const [count, clients, transaction] = args;
        let left = count, empty;
        const drained = new Promise((resolve) => { empty = resolve; });
        const worker = new Worker(connection, 'worker', { concurrency: clients, log: () => {} });
        const begun = clock();
        worker.handle('bench', async () => { if (--left === 0) empty(); }, { transaction: transaction === 1 });
        worker.run();
        await drained;
        while ((await pool.query('SELECT FROM pgmq.q_worker LIMIT 1')).rowCount > 0) await sleep(0.01);
        result = { rate: count / (clock() - begun) };
    }
    await pool.end();
    return result;
}

({ 'pg-boss': pgBoss, 'graphile-worker': graphileWorker, worker: exampleWorker })[peer]().then(
    (result) => { console.log(JSON.stringify(result)); process.exit(0); },
    (error) => { console.error(error); process.exit(1); });
