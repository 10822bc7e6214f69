/*
 * node_pg.js
 *      node-pg, which sends all parameters without a type: every verb, positional
 *      and named, with the values as programs have them.
 *
 * usage: node node_pg.js LABEL SOCKET_DIRECTORY PORT DATABASE
 *
 * The database has pgmq_c already.  Each of these calls but those marked as
 * clear was refused before with 42725, "is not unique".
 */
'use strict';

const assert = require('assert').strict;
const { Client } = require('pg');
const checks = require('./checks.js');

const [, host, port, database] = process.argv.slice(2);
const q = 'node_pg';
let client;

/* Each begins with an empty queue, whose ids begin with 1. */
async function check(name, body) {
    await checks.check(name, async () => {
        await client.query('SELECT pgmq.purge_queue($1)', [q]);
        await client.query(`ALTER TABLE pgmq.q_${q} ALTER msg_id RESTART`);
        await body();
    });
}

/* The first column of all rows of a call. */
async function call(sql, ...values) {
    const { rows } = await client.query({ text: sql, values, rowMode: 'array' });
    return rows.map((r) => r[0]);
}

async function fill(n) {
    await call('SELECT pgmq.send_batch($1, $2)', q, Array(n).fill({ a: 1 }));       /* clear */
    return call('SELECT msg_id FROM pgmq.read($1, $2, $3)', q, 600, n);             /* clear */
}

/* In how many seconds each message can be read, to ten. */
async function due() {
    const { rows } = await client.query(
        `SELECT extract(epoch FROM vt - clock_timestamp()) AS s, headers FROM pgmq.q_${q} ORDER BY msg_id`);
    return rows.map((r) => [Math.round(Number(r.s) / 10) * 10 + 0, r.headers]);
}

async function main() {
    client = new Client({ host, port: Number(port), database, user: 'postgres' });
    await client.connect();
    await client.query('SELECT pgmq.create($1)', [q]);
    await client.query('SELECT pgmq.create($1)', [`${q}_dead`]);
    await client.query('SELECT pgmq.set_policy($1, $2)', [q, { dead_letter_queue: `${q}_dead` }]);
    await client.query('SELECT pgmq.bind_topic($1, $2)', ['node.*', q]);
    const soon = new Date(Date.now() + 60000);

    await check('send', async () => {
        assert.deepEqual(await call('SELECT pgmq.send($1, $2, $3)', q, { a: 1 }, 60), ['1']);
        await call('SELECT pgmq.send($1, $2, $3)', q, { a: 1 }, { h: 1 });
        await call('SELECT pgmq.send($1, $2, $3)', q, { a: 1 }, soon);
        await call('SELECT pgmq.send($1, $2, $3, $4)', q, { a: 1 }, { h: 1 }, 60);
        await call('SELECT pgmq.send($1, $2, $3, $4)', q, { a: 1 }, null, null);
        await call('SELECT pgmq.send($1, $2, $3, $4)', q, { a: 1 }, { h: 1 }, '1 minute');
        await call('SELECT pgmq.send($1, $2, delay => $3)', q, { a: 1 }, 60);
        await call('SELECT pgmq.send(queue_name => $1, msg => $2, headers => $3, delay => $4)',
            q, { a: 1 }, { h: 1 }, soon);
        const h = { h: 1 };
        assert.deepEqual(await due(),
            [[60, null], [0, h], [60, null], [60, h], [0, null], [60, h], [60, null], [60, h]]);
    });

    await check('send_batch', async () => {
        const two = [{ a: 1 }, { a: 2 }];
        assert.deepEqual(await call('SELECT pgmq.send_batch($1, $2, $3)', q, two, [{ h: 1 }, { h: 2 }]), ['1', '2']);
        await call('SELECT pgmq.send_batch($1, $2, $3)', q, two, 60);
        await call('SELECT pgmq.send_batch($1, $2, $3, $4)', q, two, [null, null], soon);
        await call('SELECT pgmq.send_batch($1, $2, delay => $3)', q, two, 60);
        assert.deepEqual((await due()).map((r) => r[0]), [0, 0, 60, 60, 60, 60, 60, 60]);
        assert.deepEqual((await due())[1][1], { h: 2 });
        const { rows } = await client.query('SELECT * FROM pgmq.send_batch_topic($1, $2, $3)', ['node.x', two, 60]);
        assert.deepEqual(rows, [{ queue_name: q, msg_id: '9' }, { queue_name: q, msg_id: '10' }]);
    });

    for (const verb of ['delete', 'archive', 'nack', 'release']) {
        await check(verb, async () => {
            const ids = await fill(3);
            assert.deepEqual(ids, ['1', '2', '3']);
            assert.deepEqual(await call(`SELECT pgmq.${verb}($1, $2)`, q, ids[0]), [true]);
            assert.deepEqual(await call(`SELECT pgmq.${verb}($1, $2)`, q, 99), [false]);
            assert.deepEqual(await call(`SELECT pgmq.${verb}($1, $2)`, q, null), [false]);
            assert.deepEqual(await call(`SELECT pgmq.${verb}($1, $2)`, q, []), []);
            if (verb !== 'nack') {
                assert.deepEqual(await call(`SELECT pgmq.${verb}($1, $2, $3)`, q, ids[1], 7), [false]);
                assert.deepEqual(await call(`SELECT pgmq.${verb}($1, $2, $3)`, q, ids[1], 1), [true]);
            }
            await assert.rejects(call(`SELECT pgmq.${verb}($1, $2)`, q, ids), { code: '42725', hint: /msg_ids/ });
            assert.deepEqual(await call(`SELECT pgmq.${verb}($1, msg_ids => $2)`, q, ['3', '99']), ['3']);  /* clear */
        });
    }

    for (const verb of ['delete', 'archive']) {
        await check(`${verb}_and_read`, async () => {                                               /* clear */
            const n = 5, seen = [];
            await client.query(`TRUNCATE pgmq.a_${q}`);
            await call('SELECT pgmq.send_batch($1, $2)', q, Array(n).fill({ a: 1 }));
            let ids = [], cts = [];
            while (seen.length < n) {
                const { rows } = await client.query(`SELECT * FROM pgmq.${verb}_and_read_with_poll($1, $2, $3, $4, $5, $6, $7)`,
                    [q, ids, 600, 2, 60, 100, cts]);
                ids = rows.map((m) => m.msg_id);
                cts = rows.map((m) => m.read_ct);
                seen.push(...ids);
            }
            assert.deepEqual(seen, ['1', '2', '3', '4', '5']);
            await call('SELECT pgmq.set_vt($1, $2, $3)', q, '5', 0);
            await call('SELECT pgmq.read($1, $2, $3)', q, 600, 1);
            const late = await client.query(`SELECT * FROM pgmq.${verb}_and_read($1, $2, $3, $4, $5)`, [q, ids, 600, 2, cts]);
            assert.deepEqual(late.rows.map((m) => [m.msg_id, m.read_ct, m.message]), [['5', null, null]]);
            assert.deepEqual(await call(`SELECT msg_id FROM pgmq.${verb}_and_read($1, $2, $3, $4)`, q, ids, 600, 2), []);
            assert.deepEqual(await call(`SELECT count(*) FROM pgmq.q_${q}`), ['0']);
        });
    }

    await check('nack_more', async () => {
        const ids = await fill(4);
        assert.deepEqual(await call('SELECT pgmq.nack($1, $2, $3)', q, ids[0], 60), [true]);
        assert.deepEqual(await call('SELECT pgmq.nack($1, $2, $3)', q, ids[1], null), [true]);
        assert.deepEqual(await call('SELECT pgmq.nack($1, $2, $3, $4)', q, ids[2], 60, 1), [true]);
        assert.deepEqual(await call('SELECT pgmq.nack($1, $2, $3, $4, $5)', q, ids[3], 60, 1, 'boom'), [true]);
        assert.deepEqual(await due(), [[60, null], [0, null], [60, null], [60, { 'x-pgmq-error': 'boom' }]]);
    });

    await check('set_vt', async () => {
        const ids = await fill(3);
        for (const vt of [60, '60', soon, '1 minute'])
            assert.deepEqual(await call('SELECT msg_id FROM pgmq.set_vt($1, $2, $3)', q, ids[0], vt), ['1']);
        assert.deepEqual(await call('SELECT msg_id FROM pgmq.set_vt($1, $2, $3)', q, ids, 60), ids);
        assert.deepEqual(await call('SELECT msg_id FROM pgmq.set_vt($1, $2, $3, $4)', q, ids, 60, [1, 1, 2]), ['1', '2']);
        assert.deepEqual(await call('SELECT msg_id FROM pgmq.set_vt($1, msg_id => $2, vt => $3)', q, 1, 0), ['1']);
        assert.deepEqual((await due()).map((r) => r[0]), [0, 60, 60]);
    });

    await check('release_later', async () => {
        await fill(1);
        assert.deepEqual(await call('SELECT pgmq.release($1, $2, $3, $4)', q, 1, '1 minute', 1), [true]);
        assert.deepEqual(await due(), [[60, null]]);
    });

    await check('dead_letter', async () => {
        const ids = await fill(2);
        assert.deepEqual(await call('SELECT pgmq.dead_letter($1, $2, $3)', q, ids[0], 'why'), [true]);
        assert.deepEqual(await call('SELECT pgmq.dead_letter($1, $2, $3, $4)', q, ids[1], 'why', 1), [true]);
    });

    await check('unarchive', async () => {
        await client.query(`TRUNCATE pgmq.a_${q}`);
        const ids = await fill(3);
        await call('SELECT pgmq.archive($1, msg_ids => $2)', q, ids);                               /* clear */
        assert.deepEqual(await call('SELECT pgmq.unarchive($1, $2)', q, '2'), ['4']);
        assert.deepEqual(await call('SELECT pgmq.unarchive($1, $2)', q, ['1', '3']), ['5', '6']);
    });

    await client.query('SELECT pgmq.drop_queue($1)', [q]);
    await client.query('SELECT pgmq.drop_queue($1)', [`${q}_dead`]);
    await client.end();
}

checks.run(main);
