// What the console knows: it polls the database once for all pages, keeps the
// last values of each queue, and makes rates of the counters.
//
// Each statement is asked again only when it has rested for long enough that
// all of them together take no more than a twentieth of one core, whatever the
// number of queues.

import { Connection, polled } from './database.js';

/** How many points a queue's curves have. */
export const POINTS = 150;

/** The part of a core that the console may use, and the database for it. */
const SHARE = 0.05;

/** Counters of which the page shows a rate. */
const rated = ['sent', 'delivered', 'acked', 'redelivered'];
const curves = ['length', 'readable', ...rated];

/** A number that the database may not know. */
const known = (value) => ((value ?? null) === null ? null : Number(value));

/** The curves of one queue, oldest point first. */
export class History {
  #names;
  #columns;
  #from = 0;
  length = 0;

  constructor(names, points = POINTS) {
    this.#names = names;
    this.#columns = names.map(() => new Float64Array(points));
  }

  push(values) {
    const points = this.#columns[0].length;
    const at = (this.#from + this.length) % points;
    this.#names.forEach((name, i) => (this.#columns[i][at] = values[name] ?? NaN));
    if (this.length < points) this.length++;
    else this.#from = (this.#from + 1) % points;
  }

  /** One curve; a value that was not known is null. */
  get(name) {
    const column = this.#columns[this.#names.indexOf(name)];
    return Array.from({ length: this.length }, (_, i) => {
      const value = column[(this.#from + i) % column.length];
      return Number.isNaN(value) ? null : value;
    });
  }
}

/** How much a counter grew each second; null if it was reset, or is not known now or before. */
export function rate(now, before, seconds) {
  if ((now ?? null) === null || (before ?? null) === null || !(seconds > 0)) return null;
  const grown = Number(BigInt(now) - BigInt(before));
  return grown >= 0 ? grown / seconds : null;
}

const severities = ['info', 'warning', 'critical'];

export class Collector {
  #connection;
  #tasks;
  #queues = new Map();
  #counters = { at: 0, rows: new Map() };
  #timer = null;
  #running = null;
  #stopped = false;

  /** When the database last answered (ms), and why it does not, if so. */
  answered = null;
  error = null;
  /** Statements that fail, by name: an older version, or a role that may not run them. */
  notices = {};
  findings = [];
  waiters = [];
  /** The upper bounds of the histograms' buckets (seconds). */
  bounds = null;

  constructor(config, { now = Date.now, every = 1 } = {}) {
    this.now = now;
    this.#connection = new Connection(
      config,
      "SET default_transaction_read_only = on; SET statement_timeout = '60s'; SET lock_timeout = '1s'",
      70000,
    );
    this.#tasks = polled.map((task) => ({ ...task, every: task.every * 1000 * every, due: 0 }));
  }

  start() {
    this.#running = this.#round();
  }

  async stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#connection.end();
    await this.#running;
  }

  async #round() {
    for (const task of this.#tasks) {
      if (this.#stopped) return;
      if (task.due <= performance.now()) await this.#poll(task);
      if (this.error) break;
    }
    if (this.#stopped) return;
    // the wall clock may step, so it does not say when to poll
    const rest = this.error ? 1000 : Math.min(...this.#tasks.map((task) => task.due)) - performance.now();
    this.#timer = setTimeout(() => this.start(), Math.max(rest, 100));
  }

  async #poll(task) {
    const begun = this.now();
    const start = performance.now();
    const cpu = process.cpuUsage();
    try {
      const { rows } = await this.#connection.query(task.sql);
      this.error = null;
      delete this.notices[task.name];
      this.answered = this.now();
      this.take(task.name, rows, begun);
    } catch (error) {
      // an error of the statement is that statement's; any other is the connection's
      if (/^[0-9A-Z]{5}$/.test(error.code ?? '') && !/^(08|57P|53|28|3D)/.test(error.code)) {
        this.notices[task.name] = error.message;
        this.error = null;
      } else {
        this.error = error.message || String(error);
      }
    }
    const used = process.cpuUsage(cpu);
    const cost = Math.max(performance.now() - start, (used.user + used.system) / 1000);
    // a connection that was waited for in vain has cost nothing
    task.due = performance.now() + (this.error ? 0 : Math.max(task.every, (cost * this.#tasks.length) / SHARE));
  }

  #queue(name) {
    let queue = this.#queues.get(name);
    if (!queue) {
      queue = { name, history: new History(['t', ...curves]), rates: {} };
      this.#queues.set(name, queue);
    }
    return queue;
  }

  /** Take the rows of a statement that began at a time (ms). */
  take(name, rows, at) {
    this[`take_${name}`](rows, at);
  }

  take_lengths(rows) {
    const seen = new Set();
    for (const row of rows) {
      const queue = this.#queue(row.queue_name);
      queue.metrics = row;
      seen.add(row.queue_name);
    }
    for (const name of this.#queues.keys()) if (!seen.has(name)) this.#queues.delete(name);
  }

  take_stats(rows, at) {
    const before = this.#counters;
    const seconds = (at - before.at) / 1000;
    this.#counters = { at, rows: new Map(rows.map((row) => [row.queue_name, row])) };
    for (const row of rows) {
      const queue = this.#queue(row.queue_name);
      queue.stats = row;
      for (const name of rated)
        queue.rates[name] = rate(row[name], before.rows.get(row.queue_name)?.[name], seconds);
      queue.history.push({
        t: at / 1000,
        length: known(queue.metrics?.queue_length),
        readable: known(row.readable),
        ...queue.rates,
      });
    }
  }

  take_waiters(rows) {
    this.waiters = rows;
  }

  take_health(rows) {
    this.findings = rows;
  }

  take_bounds(rows) {
    this.bounds = rows[0].bounds;
  }

  take_paused(rows) {
    const until = new Map(rows.map((row) => [row.queue_name, row.until]));
    for (const queue of this.#queues.values()) queue.paused_until = until.get(queue.name) ?? null;
  }

  /** One line of the list. */
  #line(queue, waiting, severity) {
    const { metrics, stats } = queue;
    return {
      name: queue.name,
      severity: severity.get(queue.name) ?? null,
      length: known(metrics?.queue_length),
      visible: known(metrics?.queue_visible_length),
      readable: known(stats?.readable),
      oldest: metrics ? metrics.oldest_msg_age_sec : null,
      sent: queue.rates.sent ?? null,
      delivered: queue.rates.delivered ?? null,
      acked: queue.rates.acked ?? null,
      redelivered: queue.rates.redelivered ?? null,
      last_read_at: stats?.last_read_at ?? null,
      waiting: waiting.get(queue.name) ?? 0,
      paused_until: queue.paused_until ?? null,
    };
  }

  #lines() {
    const waiting = new Map();
    const severity = new Map();
    for (const waiter of this.waiters)
      waiting.set(waiter.queue_name, (waiting.get(waiter.queue_name) ?? 0) + 1);
    for (const finding of this.findings) {
      const worst = severities.indexOf(severity.get(finding.queue_name));
      if (finding.queue_name && severities.indexOf(finding.severity) > worst)
        severity.set(finding.queue_name, finding.severity);
    }
    return [...this.#queues.values()].map((queue) => this.#line(queue, waiting, severity));
  }

  /** The whole state but for the queues. */
  summary() {
    return {
      now: this.now(),
      answered: this.answered,
      error: this.error,
      notices: this.notices,
      findings: this.findings,
      queues: this.#queues.size,
    };
  }

  /**
   * Lines of the list: those whose name has the text, by a column, the largest
   * value first; or, by default, those with the worst findings first, then the
   * longest.
   */
  list({ search = '', sort = 'problems', offset = 0, limit = 50 } = {}) {
    const text = search.toLowerCase();
    const lines = this.#lines().filter((line) => line.name.toLowerCase().includes(text));
    const by = (key) => (a, b) => (b[key] ?? -1) - (a[key] ?? -1);
    const name = (a, b) => (a.name < b.name ? -1 : 1);
    const rank = (line) => severities.indexOf(line.severity);
    const order =
      sort === 'name' ? name : sort === 'problems' ? (a, b) => rank(b) - rank(a) || by('length')(a, b) : by(sort);
    lines.sort((a, b) => order(a, b) || name(a, b));
    return {
      count: lines.length,
      lines: lines.slice(offset, offset + limit).map((line) => {
        const { history } = this.#queues.get(line.name);
        return { ...line, spark: history.get('length').slice(-40), sparkSent: history.get('sent').slice(-40) };
      }),
    };
  }

  /** All that was polled of one queue; null if there is no such queue. */
  detail(name) {
    const queue = this.#queues.get(name);
    if (!queue) return null;
    return {
      line: this.#lines().find((line) => line.name === name),
      stats: queue.stats ?? null,
      bounds: this.bounds,
      curves: Object.fromEntries(
        ['t', ...curves].map((curve) => [curve, queue.history.get(curve)]),
      ),
      findings: this.findings.filter((finding) => finding.queue_name === name),
      waiters: this.waiters.filter((waiter) => waiter.queue_name === name),
    };
  }
}
