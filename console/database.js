// The statements of the console, and the two ways in which it asks the database.
//
// One connection polls, for all pages together.  It is read-only.  The other
// answers what a single page asks about one queue, and is read-only as well unless
// it may act.  So no code in a table that is looked at can change anything.
// Both reconnect by themselves.  The rights are those of the role that PGUSER names.

import pg from 'pg';

// An id that is larger than what a number holds must stay exact, so it is kept as text.
const types = { getTypeParser: (oid, format) => (oid === 20 ? (s) => s : pg.types.getTypeParser(oid, format)) };

/** The statements that are polled: name, the shortest time between two polls (seconds), and the statement. */
export const polled = [
  { name: 'stats', every: 2, sql: 'SELECT * FROM pgmq.queue_stats()' },
  { name: 'lengths', every: 4, sql: 'SELECT * FROM pgmq.metrics_all()' },
  { name: 'waiters', every: 2, sql: 'SELECT * FROM pgmq.waiters()' },
  { name: 'bounds', every: 3600, sql: 'SELECT pgmq.stat_bounds() AS bounds' },
  { name: 'health', every: 10, sql: 'SELECT * FROM pgmq.health()' },
  {
    name: 'paused',
    every: 10,
    sql: 'SELECT queue_name, paused_until AS until FROM pgmq.policy WHERE paused_until > clock_timestamp()',
  },
];

// Bodies are cut, because fifty large ones would not fit into memory, and sent as
// text, because numbers in them can be larger than those of JavaScript.
const cut = (column) =>
  `CASE WHEN length(${column}::text) > 10000 THEN left(${column}::text, 10000) || ' …' ELSE jsonb_pretty(${column}) END AS ${column}`;
const columns = (times) => `msg_id, read_ct, ${times}, vt, ${cut('message')}, ${cut('headers')}`;

/** The questions of a page about one queue.  Each has the queue's name as its first parameter. */
const ofQueue = {
  policy: { sql: 'SELECT pgmq.get_policy($1) AS policy' },
  peek: { sql: `SELECT ${columns('enqueued_at, last_read_at')} FROM pgmq.peek($1, $2, $3, $4)` },
  archive: { sql: `SELECT ${columns('enqueued_at, last_read_at, archived_at')} FROM pgmq.peek_archive($1, $2, $3)` },
};

/** The actions on a queue that a page offers if the console was started with --write. */
export const actions = {
  pause: { sql: "SELECT pgmq.pause($1, clock_timestamp() + $2 * interval '1 minute')", args: ['minutes'] },
  resume: { sql: 'SELECT pgmq.resume($1) AS done', args: [] },
  redrive: { sql: 'SELECT pgmq.redrive($1, $2) AS moved', args: ['qty'] },
  nack: { sql: 'SELECT pgmq.nack($1, $2::bigint) AS done', args: ['msg_id'] },
  dead_letter: { sql: 'SELECT pgmq.dead_letter($1, $2::bigint, $3::text) AS done', args: ['msg_id', 'reason'] },
  unarchive: { sql: 'SELECT pgmq.unarchive($1, $2::bigint) AS new_msg_id', args: ['msg_id'] },
};

/** A connection that is made when it is needed, and again after it was lost. */
export class Connection {
  #client = null;
  #connecting = null;
  #config;
  #setup;

  /** A statement without an answer for so long (ms) ends the connection. */
  constructor(config, setup, patience) {
    this.#config = {
      types, application_name: 'pgmq console', connectionTimeoutMillis: 5000, query_timeout: patience, ...config,
    };
    this.#setup = `SET search_path = pg_catalog, pg_temp; ${setup}`;
  }

  async #connect() {
    const client = new pg.Client(this.#config);
    client.on('error', () => this.#forget(client));
    client.on('end', () => this.#forget(client));
    try {
      await client.connect();
      await client.query(this.#setup);
    } catch (error) {
      this.#close(client);
      throw error;
    }
    this.#client = client;
  }

  #forget(client) {
    if (this.#client === client) this.#client = null;
  }

  /** End a connection; the database may never answer. */
  async #close(client) {
    this.#forget(client);
    const timer = setTimeout(() => client.connection.stream.destroy(), 1000);
    await client.end().catch(() => {});
    clearTimeout(timer);
  }

  async query(sql, values = []) {
    if (!this.#client) {
      this.#connecting ??= this.#connect().finally(() => (this.#connecting = null));
      await this.#connecting;
    }
    const client = this.#client;
    if (!client) throw new Error('the connection has ended');
    try {
      return await client.query(sql, values);
    } catch (error) {
      // what pg says when it gives up; the connection still waits for the answer
      if (error.message === 'Query read timeout') this.#close(client);
      throw error;
    }
  }

  async end() {
    await this.#connecting?.catch(() => {});
    if (this.#client) await this.#close(this.#client);
  }
}

/** Questions and actions of one page, with the errors that a page can show. */
export class Desk {
  #connection;

  constructor(config, write) {
    const setup = `SET default_transaction_read_only = ${write ? 'off' : 'on'}; SET statement_timeout = '10s'; SET lock_timeout = '3s'`;
    this.#connection = new Connection(config, setup, 15000);
  }

  async ask(what, values) {
    return (await this.#connection.query(ofQueue[what].sql, values)).rows;
  }

  /**
   * Messages of a queue in one state.  A role that may count messages but not see
   * them gets them without their body and headers.
   */
  async messages(queue, state, after) {
    try {
      return state === 'archived'
        ? { rows: await this.ask('archive', [queue, 50, after]) }
        : { rows: await this.ask('peek', [queue, state, 50, after]) };
    } catch (error) {
      if (error.code !== '42501') throw error;
      return { rows: await this.#outside(queue, state, after), hidden: error.message };
    }
  }

  async #outside(queue, state, after) {
    const kind = state === 'archived' ? 'a' : 'q';
    const table = (await this.#connection.query('SELECT quote_ident(pgmq.format_table_name($1, $2)) AS name', [queue, kind]))
      .rows[0].name;
    const condition = {
      visible: 'vt <= clock_timestamp()',
      delayed: 'vt > clock_timestamp() AND read_ct = 0',
      in_flight: 'vt > clock_timestamp() AND read_ct > 0',
    }[state] ?? 'true';
    return (
      await this.#connection.query(
        `SELECT msg_id, read_ct, enqueued_at, last_read_at, vt FROM pgmq.${table}
         WHERE ${condition} AND ($1::bigint IS NULL OR msg_id > $1) ORDER BY msg_id LIMIT 50`,
        [after],
      )
    ).rows;
  }

  async act(action, queue, given) {
    const { sql, args } = actions[action];
    return (await this.#connection.query(sql, [queue, ...args.map((name) => given[name] ?? null)])).rows[0];
  }

  async end() {
    await this.#connection.end();
  }
}
