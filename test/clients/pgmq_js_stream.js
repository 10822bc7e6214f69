/*
 * pgmq_js_stream.js
 *      The client pgmq-js, as npm delivers it, on a subscription to a stream.
 *
 * usage: node pgmq_js_stream.js LABEL SOCKET_DIRECTORY PORT DATABASE
 *
 * The database has the subscriptions js_billing and js_shipping to one stream.  For
 * the client they are queues.  Prints one line for each call, as pgmq_js.js does.
 */
'use strict';

const assert = require('assert').strict;
const { Pgmq } = require('pgmq-js');
const { check, run } = require('./checks.js');

const [, host, port, database] = process.argv.slice(2);

async function main() {
    const pgmq = await Pgmq.new({ host, port: Number(port), database, user: 'postgres', password: '', ssl: false }, { skipExtensionCreation: true });
    const ids = (ms) => ms.map((m) => m.msgId);

    await check('queue.list', async () => {
        const found = (await pgmq.queue.list()).map((q) => q.name);
        assert.ok(found.includes('js_billing') && found.includes('js_shipping'));
        await pgmq.queue.create('js_billing');      /* again: no error */
    });
    await check('msg.send', async () => {
        assert.equal(await pgmq.msg.send('js_billing', { n: 1 }), 1);
        assert.deepEqual(await pgmq.msg.sendBatch('js_shipping', [{ n: 2 }, { n: 3 }, { n: 4 }, { n: 5 }]), [2, 3, 4, 5]);
        assert.equal(await pgmq.msg.send('js_log', 'later', 3600), 6);
    });
    await check('msg.read', async () => {
        const m = await pgmq.msg.read('js_billing', 60);
        assert.deepEqual([m.msgId, m.readCount, m.message], [1, 1, { n: 1 }]);
    });
    await check('msg.readBatch', async () => {
        assert.deepEqual((await pgmq.msg.readBatch('js_billing', 60, 3)).map((m) => m.message.n), [2, 3, 4]);
    });
    await check('msg.setVt', async () => {
        assert.equal((await pgmq.msg.setVt('js_billing', 4, 0)).msgId, 4);
        const m = await pgmq.msg.read('js_billing', 60);
        assert.deepEqual([m.msgId, m.readCount], [4, 2]);
    });
    await check('msg.pop', async () => {
        assert.deepEqual((await pgmq.msg.pop('js_billing')).message, { n: 5 });
        assert.equal(await pgmq.msg.pop('js_billing'), undefined);
    });
    await check('msg.delete', async () => {
        assert.equal(await pgmq.msg.delete('js_billing', 1), true);
        assert.equal(await pgmq.msg.delete('js_billing', 1), false);
        assert.deepEqual(await pgmq.msg.deleteBatch('js_billing', [3, 2, 99]), [2, 3]);
    });
    await check('msg.archive', async () => {
        assert.equal(await pgmq.msg.archive('js_billing', 4), true);
        assert.equal(await pgmq.msg.archive('js_billing', 4), false);
    });
    await check('other_subscription', async () => {
        assert.deepEqual(ids(await pgmq.msg.readBatch('js_shipping', 60, 10)), [1, 2, 3, 4, 5]);
        assert.equal((await pgmq.queue.getMetrics('js_shipping')).queueLength, 6);
    });
    await check('queue.purge', async () => {
        await pgmq.queue.purge('js_shipping');
        assert.deepEqual(await pgmq.msg.readBatch('js_shipping', 60, 10), []);
        assert.equal(await pgmq.msg.send('js_shipping', { n: 7 }), 7);
        assert.deepEqual(ids(await pgmq.msg.readBatch('js_shipping', 60, 10)), [7]);
    });
    await check('queue.drop', async () => {
        await pgmq.queue.drop('js_billing');
        await pgmq.queue.drop('js_shipping');
        await pgmq.queue.drop('js_log');
        await assert.rejects(pgmq.msg.send('js_billing', 1), { code: '42P01' });
    });
    await pgmq.close();
}

run(main);
