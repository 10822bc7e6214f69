/*
 * pgmq_js.js
 *      The client pgmq-js, as npm delivers it, through its whole API.
 *
 * usage: node pgmq_js.js LABEL SOCKET_DIRECTORY PORT DATABASE
 *
 * The database has pgmq_c already.  Prints one line, "ok LABEL.CALL" or
 * "not ok LABEL.CALL", for each call of the client.  Two calls cannot work with
 * PGMQ 1.13: setVt is ambiguous there, and works here; an empty sendBatch is
 * refused, for which the very same SQLSTATE is the right answer.
 */
'use strict';

const assert = require('assert').strict;
const { Pgmq } = require('pgmq-js');
const { check, run } = require('./checks.js');

const [label, host, port, database] = process.argv.slice(2);
const config = () => ({
    host,
    port: Number(port),
    database,
    user: 'postgres',
    password: '',
    ssl: false,
});
const names = ['js_one', 'js_unlogged', 'js_batch', 'js_dropped'];

let pgmq;

/* The error must be the server's, of this SQLSTATE, and leave the pool usable. */
async function refuses(promise, code, text) {
    await assert.rejects(promise, (err) => {
        assert.equal(err.code, code);
        assert.match(err.message, text);
        return true;
    });
    await pgmq.queue.list();
}

/* A time between two clock readings of ours, give or take a second. */
function between(date, from, to) {
    assert.ok(date instanceof Date && !Number.isNaN(date.getTime()));
    assert.ok(date.getTime() >= from - 1000, `${date.toISOString()} is too early`);
    assert.ok(date.getTime() <= to + 1000, `${date.toISOString()} is too late`);
}

async function find(name) {
    return (await pgmq.queue.list()).find((q) => q.name === name);
}

async function main() {
    await check('new', async () => {
        pgmq = await Pgmq.new(config(), { skipExtensionCreation: true });
        assert.ok(pgmq.queue && pgmq.msg);
    });
    if (!pgmq)
        return;

    for (const name of names)
        await pgmq.queue.drop(name);

    await check('queue.create', async () => {
        assert.equal(await find('js_one'), undefined);
        await pgmq.queue.create('js_one');
        await pgmq.queue.create('js_one');      /* again: no error */
        await pgmq.queue.create('js_batch');
        const q = await find('js_one');
        assert.equal(q.isPartitioned, false);
        assert.equal(q.isUnlogged, false);
    });

    await check('queue.createUnlogged', async () => {
        await pgmq.queue.createUnlogged('js_unlogged');
        const q = await find('js_unlogged');
        assert.equal(q.isPartitioned, false);
        assert.equal(q.isUnlogged, true);
        assert.equal(await pgmq.msg.send('js_unlogged', 'x'), 1);
    });

    await check('queue.list', async () => {
        const found = (await pgmq.queue.list()).map((q) => q.name);
        for (const name of ['js_one', 'js_unlogged', 'js_batch'])
            assert.ok(found.includes(name), `${name} is not listed`);
        assert.equal(new Set(found).size, found.length);
    });

    /* Messages one by one. */
    const body = { n: 1, text: 'naïve "quoted" \\ $1 \' ; --', list: [1, null, { a: [] }] };

    await check('msg.send', async () => {
        assert.equal(await pgmq.msg.send('js_one', body), 1);
        assert.equal(await pgmq.msg.send('js_one', [1, 2, 3]), 2);
        assert.equal(await pgmq.msg.send('js_one', null), 3);
    });

    await check('msg.send_delay', async () => {
        assert.equal(await pgmq.msg.send('js_one', 'later', 3600), 4);
        const { queueLength } = await pgmq.queue.getMetrics('js_one');
        assert.equal(queueLength, 4);
    });

    await check('msg.read', async () => {
        const from = Date.now();
        const m = await pgmq.msg.read('js_one', 60);
        const to = Date.now();
        assert.equal(m.msgId, 1);
        assert.equal(m.readCount, 1);
        assert.deepEqual(m.message, body);
        between(m.vt, from + 60000, to + 60000);
        between(m.enqueuedAt, from - 60000, to);
        /* 1 is leased, 4 delayed: 2 and 3 are left, then nothing */
        assert.deepEqual((await pgmq.msg.read('js_one', 60)).message, [1, 2, 3]);
        assert.equal((await pgmq.msg.read('js_one', 60)).message, null);
        assert.equal(await pgmq.msg.read('js_one', 60), undefined);
    });

    await check('msg.delete', async () => {
        assert.equal(await pgmq.msg.delete('js_one', 1), true);
        assert.equal(await pgmq.msg.delete('js_one', 1), false);
    });

    await check('msg.archive', async () => {
        assert.equal(await pgmq.msg.archive('js_one', 2), true);
        assert.equal(await pgmq.msg.archive('js_one', 2), false);
    });

    await check('msg.setVt', async () => {
        const from = Date.now();
        const m = await pgmq.msg.setVt('js_one', 3, 600);
        assert.equal(m.msgId, 3);
        between(m.vt, from + 600000, Date.now() + 600000);
        assert.equal(await pgmq.msg.setVt('js_one', 99, 0), undefined);
    });

    await check('queue.purge', async () => {
        await pgmq.queue.purge('js_one');
        const { queueLength, totalMessages } = await pgmq.queue.getMetrics('js_one');
        assert.equal(queueLength, 0);
        assert.equal(totalMessages, 4);
    });

    await check('msg.pop', async () => {
        assert.equal(await pgmq.msg.pop('js_one'), undefined);
        assert.equal(await pgmq.msg.send('js_one', { pop: true }), 5);
        const m = await pgmq.msg.pop('js_one');
        assert.equal(m.msgId, 5);
        assert.equal(m.readCount, 0);
        assert.deepEqual(m.message, { pop: true });
        assert.equal(await pgmq.msg.pop('js_one'), undefined);
    });

    /* Messages in batches. */
    await check('msg.sendBatch', async () => {
        assert.deepEqual(
            await pgmq.msg.sendBatch('js_batch', [{ i: 0 }, { i: 1 }, { i: 2 }, { i: 3 }]),
            [1, 2, 3, 4]);
    });

    await check('msg.sendBatch_delay', async () => {
        assert.deepEqual(await pgmq.msg.sendBatch('js_batch', [{ i: 4 }, { i: 5 }], 3600), [5, 6]);
    });

    await check('msg.sendBatch_empty_is_P0001', () => refuses(
        pgmq.msg.sendBatch('js_batch', []), 'P0001', /^msgs cannot be NULL or empty$/));

    await check('msg.readBatch', async () => {
        const ms = await pgmq.msg.readBatch('js_batch', 60, 3);
        assert.deepEqual(ms.map((m) => [m.msgId, m.readCount, m.message.i]),
            [[1, 1, 0], [2, 1, 1], [3, 1, 2]]);
        assert.deepEqual((await pgmq.msg.readBatch('js_batch', 60, 3)).map((m) => m.msgId), [4]);
        assert.deepEqual(await pgmq.msg.readBatch('js_batch', 60, 3), []);
    });

    await check('queue.getMetrics', async () => {
        const from = Date.now();
        const m = await pgmq.queue.getMetrics('js_batch');
        assert.equal(m.queueName, 'js_batch');
        assert.equal(m.queueLength, 6);
        assert.equal(m.totalMessages, 6);
        assert.ok(m.newestMsgAgeSec >= 0 && m.newestMsgAgeSec <= m.oldestMsgAgeSec);
        assert.ok(m.oldestMsgAgeSec < 600);
        between(m.scrapeTime, from, Date.now());
        /* an empty queue has no ages */
        const e = await pgmq.queue.getMetrics('js_one');
        assert.equal(e.newestMsgAgeSec, undefined);
        assert.equal(e.oldestMsgAgeSec, undefined);
    });

    await check('queue.getAllMetrics', async () => {
        const all = await pgmq.queue.getAllMetrics();
        const length = (name) => all.find((m) => m.queueName === name).queueLength;
        assert.equal(length('js_one'), 0);
        assert.equal(length('js_unlogged'), 1);
        assert.equal(length('js_batch'), 6);
    });

    await check('msg.archiveBatch', async () => {
        assert.deepEqual(await pgmq.msg.archiveBatch('js_batch', [2, 1, 99]), [1, 2]);
        assert.deepEqual(await pgmq.msg.archiveBatch('js_batch', [1, 2]), []);
    });

    await check('msg.deleteBatch', async () => {
        assert.deepEqual(await pgmq.msg.deleteBatch('js_batch', [4, 3, 99, 1]), [3, 4]);
        assert.deepEqual(await pgmq.msg.deleteBatch('js_batch', []), []);
        assert.equal((await pgmq.queue.getMetrics('js_batch')).queueLength, 2);
    });

    await check('queue.detachArchive', async () => {
        await pgmq.queue.detachArchive('js_batch');
        /* it does nothing: the archive still takes messages */
        assert.equal(await pgmq.msg.archive('js_batch', 5), true);
    });

    await check('queue.drop', async () => {
        for (const name of names)
            await pgmq.queue.drop(name);        /* js_dropped never was: no error */
        for (const name of names)
            assert.equal(await find(name), undefined);
        await refuses(pgmq.msg.send('js_one', 1), '42P01',
            /^relation "pgmq\.q_js_one" does not exist$/);
    });

    await check('close', async () => {
        await pgmq.close();
        await assert.rejects(pgmq.queue.list());
    });
}

run(main);
