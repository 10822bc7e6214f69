/*
 * A worker for a queue of pgmq_c. Copy it, register handlers by kind (the header "kind"), run as many as you like.
 *
 * A handler that throws gives its message back with the error, to be read again when the queue's policy says; Hopeless
 * moves it to the dead-letter queue; a kind without a handler is put off. Leases go on while handlers run. SIGTERM lets
 * running handlers finish, and gives back the rest as if it had not been read. More in docs/jobs.md.
 */
'use strict';

const { setTimeout: sleep } = require('timers/promises');
const { format } = require('util');
const { Pool } = require('pg');

const DELETE = 'SELECT pgmq.delete($1, msg_id => $2, read_ct => $3) AS ours';
const DELETE_AND_READ = 'delete_and_read($1, msg_ids => $2, read_cts => $3, vt => $4, qty => $5)';
const EXTEND = 'extend($1, msg_ids => $2, read_cts => $3, vt => $4)';
const SETTLE = {
    release: 'release($1, msg_id => $2, delay => $3::integer, read_ct => $4)',
    nack: 'nack($1, msg_id => $2, delay => NULL, error => $3, read_ct => $4)',
    dead_letter: 'dead_letter($1, msg_id => $2, reason => $3, read_ct => $4)',
};
const columns = (messages) => [messages.map((m) => m.msg_id), messages.map((m) => m.read_ct)];

/* Thrown by a handler: no later attempt will succeed. */
class Hopeless extends Error {}

/* Runs so many handlers at a time, with a connection for each and two more. */
class Worker {
    constructor(connection, queue, { concurrency = 10, vt = 60, unknownDelay = 60, log = console.log } = {}) {
        Object.assign(this, { queue, concurrency, vt, unknownDelay, log, running: 0, count: {} });
        this.handlers = new Map();
        this.held = new Set();      // messages that are not settled
        this.todo = [];             // those of them that no handler has begun
        this.done = [];             // messages that are to be deleted
        this.events = [];           // [outcome, message, argument]
        this.beat = true;           // a heartbeat is due
        this.pool = new Pool({ ...connection, max: concurrency + 2 });
        // a connection that breaks fails the query that uses it, or is not used again
        this.pool.on('connect', (client) => client.on('error', () => {})).on('error', () => {});
    }

    /* Register run(message), which happens at least once. With transaction it is run(message, db): what it writes
       through db and the end of the message are committed together, so that happens exactly once. */
    handle(kind, run, { transaction = false } = {}) {
        this.handlers.set(kind, { run, transaction });
    }

    /* Resolves when a signal has stopped the worker; then the program should exit. */
    async run() {
        for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => this.wake(['stop']));
        setInterval(() => { this.beat = true; this.wake(); }, this.vt * 1000 / 3);
        while (!this.stopping || this.held.size || this.done.length) {
            await this.dispatch().catch((error) => {
                this.log(`trying again in a second: ${error.message}`);
                return sleep(1000);
            });
        }
    }

    wake(...events) {
        this.events.push(...events);
        this.rouse?.();
    }

    async call(call, ...args) {
        return (await this.pool.query(`SELECT * FROM pgmq.${call}`, [this.queue, ...args])).rows;
    }

    /* Run the handler of a message. */
    async work(message) {
        const kind = message.headers?.kind;
        const { run, transaction } = this.handlers.get(kind) ?? {};
        let event = ['lost', message];
        try {
            if (!run) event = ['release', message, this.unknownDelay];
            else if (transaction) event = [await this.inTransaction(run, message), message];
            else if (this.held.has(message)) {
                await run(message);
                event = ['delete', message];
            }
        } catch (error) {
            const reason = format('%s', error?.message ?? error).replaceAll('\0', '?');
            event = [error instanceof Hopeless ? 'dead_letter' : 'nack', message, reason];
            this.log(`${kind} ${message.msg_id}, attempt ${message.read_ct}: ${reason}`);
        }
        this.running--;
        this.wake(event);
    }

    async inTransaction(run, message) {
        const db = await this.pool.connect();
        try {
            await db.query('BEGIN');
            // deleted first, so that nobody else can have it while the handler runs
            const { rows: [{ ours }] } = await db.query(DELETE, [this.queue, message.msg_id, message.read_ct]);
            if (ours) await run(message, db);
            // after an SQL error that the handler has caught, this only rolls back
            if ((await db.query('COMMIT')).command !== 'COMMIT') throw new Error('its transaction had failed');
            return ours ? 'done' : 'lost';
        } catch (error) {
            await db.query('ROLLBACK').catch(() => {});
            throw error;
        } finally {
            db.release();
        }
    }

    /* Wait for messages, but once at a time. */
    async wait() {
        if (this.waiting) return;
        this.waiting = true;
        await this.pool.query('CALL pgmq.wait($1, 60)', [this.queue]).catch(() => sleep(1000));
        this.waiting = false;
        this.wake(['look']);
    }

    /* Tell the server what became of messages, take others, and have the leases of the rest go on. */
    async dispatch() {
        if (!this.beat && !this.events.length) await new Promise((resolve) => { this.rouse = resolve; });
        while (this.events.length) await this.settle(...this.events.shift());
        const room = this.stopping ? 0 : 2 * this.concurrency - this.held.size;
        const messages = await this.call(DELETE_AND_READ, ...columns(this.done), this.vt, room);
        this.done = [];
        for (const message of messages.filter((m) => m.read_ct)) {  // the others were deleted too late
            this.held.add(message);
            this.todo.push(message);
        }
        for (; this.running < this.concurrency && this.todo.length; this.running++) this.work(this.todo.shift());
        if (messages.length < room) this.wait();
        if (this.beat) {
            this.beat = false;
            const lost = await this.call(EXTEND, ...columns([...this.held]), this.vt);
            for (const { lost_msg_id: id } of lost) this.held.forEach((m) => m.msg_id === id && this.held.delete(m));
            this.log(`${this.queue}: ${this.held.size} held; since the start ${JSON.stringify(this.count)}`);
        }
    }

    /* Tell the server what became of a message. If that fails, it is read again when its lease ends. */
    async settle(outcome, message, argument) {
        this.count[outcome] = (this.count[outcome] ?? 0) + 1;
        this.held.delete(message);
        if (outcome === 'delete') this.done.push(message);
        if (outcome === 'stop') this.stopping = true;
        if (this.stopping) this.events.push(...this.todo.splice(0).map((m) => ['release', m, 0]));
        if (SETTLE[outcome]) await this.call(SETTLE[outcome], message.msg_id, argument, message.read_ct);
    }
}

module.exports = { Worker, Hopeless };
