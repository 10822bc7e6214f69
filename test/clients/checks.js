/* Checks of a client in Node.js, each a line "ok LABEL.NAME" or "not ok LABEL.NAME". */
'use strict';

const [label] = process.argv.slice(2);
let failed = 0;

async function check(name, body) {
    try {
        await body();
        console.log(`ok ${label}.${name}`);
    } catch (err) {
        failed++;
        console.log(`not ok ${label}.${name}`);
        console.log(`# ${String(err && err.stack || err).replace(/\n/g, '\n# ')}`);
    }
}

/* Run all, and end the process: its exit code says whether a check has failed. */
function run(main) {
    main().catch((err) => {
        failed++;
        console.log(`not ok ${label}.main`);
        console.log(`# ${err.stack}`);
    }).finally(() => process.exit(failed ? 1 : 0));
}

module.exports = { check, run };
