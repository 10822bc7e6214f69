/*
 * pgmq_js_new.js
 *      pgmq-js as most programs start it: it creates the extension "pgmq" itself.
 *
 * usage: node pgmq_js_new.js LABEL SOCKET_DIRECTORY PORT DATABASE
 *
 * Needs a server where "make install-pgmq" was done, and an empty database.
 */
'use strict';

const assert = require('assert').strict;
const { Pgmq } = require('pgmq-js');

const [label, host, port, database] = process.argv.slice(2);

async function main() {
    const config = () => ({
        host, port: Number(port), database, user: 'postgres', password: '', ssl: false,
    });

    for (let i = 0; i < 2; i++) {       /* the second finds it there */
        const pgmq = await Pgmq.new(config());
        await pgmq.queue.create('js_new');
        assert.equal(await pgmq.msg.send('js_new', { i }), i + 1);
        await pgmq.close();
    }
}

main().then(
    () => console.log(`ok ${label}.new_creates_extension`),
    (err) => {
        console.log(`not ok ${label}.new_creates_extension`);
        console.log(`# ${err.stack.replace(/\n/g, '\n# ')}`);
        process.exitCode = 1;
    });
