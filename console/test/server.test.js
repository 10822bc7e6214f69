// The console's own server, and what it does when the database is slow, hangs or
// holds large messages.
//
// CONSOLE_SOCKET and CONSOLE_PORT lead to a server, and CONSOLE_DATABASE is a
// database with the extension, for the tests that need one.

import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import { test } from 'node:test';
import pg from 'pg';
import { start } from '../server.js';

/** The status that a path gets, sent as it is. */
const status = (address, path) =>
  new Promise((resolve, reject) => {
    const { port } = new URL(address);
    http
      .get({ host: '127.0.0.1', port, path, headers: { host: `localhost:${port}` } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
      .on('error', reject);
  });

test('an address that is no URL is refused, and the console goes on', async (t) => {
  const running = await start({ config: { host: '/nonexistent', user: 'nobody' } });
  t.after(() => running.stop());
  assert.equal(await status(running.address, '//'), 400);
  assert.equal(await status(running.address, 'http://['), 400);
  assert.equal(await status(running.address, '/../server.js'), 404);
  assert.equal(await status(running.address, '/'), 200);
});

const socket = process.env.CONSOLE_SOCKET;
const skip = socket ? false : 'CONSOLE_SOCKET names no server';
const database = {
  host: socket, port: Number(process.env.CONSOLE_PORT ?? 5432), database: process.env.CONSOLE_DATABASE, user: 'postgres',
};

test('large bodies are cut, and numbers in them stay exact', { skip }, async (t) => {
  const sql = new pg.Client(database);
  await sql.connect();
  const running = await start({ config: database });
  t.after(() => Promise.all([running.stop(), sql.end()]));
  await sql.query(`SELECT pgmq.create('large'), pgmq.send('large', '{"n": 12345678901234567890}')`);
  await sql.query(`SELECT pgmq.send('large', to_jsonb(repeat('x', 1000000)))`);
  await sql.query(`SELECT pgmq.archive('large', array_agg(msg_id)) FROM pgmq.peek('large')`);
  await sql.query(`SELECT pgmq.send('large', message) FROM pgmq.peek_archive('large') ORDER BY msg_id`);
  for (const state of ['all', 'archived']) {
    const answer = await (await fetch(`${running.address}api/messages?name=large&state=${state}`)).text();
    assert.ok(answer.length < 30000, `${answer.length} bytes`);
    const { rows } = JSON.parse(answer);
    assert.match(rows[0].message, /12345678901234567890/);
    assert.match(rows[1].message, /^"x+ …$/);
  }
});

test('code in a table that is looked at changes nothing without --write', { skip }, async (t) => {
  const sql = new pg.Client(database);
  await sql.connect();
  await sql.query(`CREATE TABLE changed (n integer);
    CREATE FUNCTION changes() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.changed VALUES (1); RETURN true; END $$;
    CREATE ROLE console_reader LOGIN IN ROLE pg_monitor;
    GRANT INSERT ON changed TO console_reader;
    SELECT pgmq.create('planted'), pgmq.send('planted', '1');
    ALTER TABLE pgmq.q_planted ENABLE ROW LEVEL SECURITY;
    CREATE POLICY changes ON pgmq.q_planted USING (public.changes())`);
  t.after(async () => {
    await sql.query("SELECT pgmq.drop_queue('planted'); DROP TABLE changed; DROP FUNCTION changes; DROP ROLE console_reader");
    await sql.end();
  });
  for (const write of [false, true]) {
    const running = await start({ config: { ...database, user: 'console_reader' }, write });
    const answer = await (await fetch(`${running.address}api/messages?name=planted`)).text();
    await running.stop();
    assert[write ? 'doesNotMatch' : 'match'](answer, /read-only transaction/);
    assert.equal((await sql.query('SELECT count(*) > 0 AS changed FROM changed')).rows[0].changed, write);
  }
});

/** A door before the database, which passes bytes on or keeps them. */
async function door() {
  const ends = new Set();
  let open = true;
  const server = net.createServer({ allowHalfOpen: true }, (client) => {
    const behind = net.connect(`${socket}/.s.PGSQL.${database.port}`);
    for (const [from, to] of [[client, behind], [behind, client]]) {
      ends.add(from);
      from.on('data', (data) => open && to.write(data)).on('error', () => {}).on('close', () => (ends.delete(from), to.destroy()));
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    config: { ...database, host: '127.0.0.1', port: server.address().port },
    open: (now) => (open = now),
    close() {
      for (const end of ends) end.destroy();
      server.close();
    },
  };
}

const until = async (condition) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
};

test('a database that hangs is an error, and is asked again soon after it', { skip }, async (t) => {
  const entrance = await door();
  const running = await start({ every: 0.1, config: { ...entrance.config, query_timeout: 500, connectionTimeoutMillis: 500 } });
  t.after(() => running.stop().then(() => entrance.close()));
  const { collector } = running;
  await until(() => collector.answered);
  entrance.open(false);
  await until(() => collector.error);
  const { answered } = collector;
  // the polls of all statements have failed more than once
  await new Promise((resolve) => setTimeout(resolve, 8000));
  assert.equal(collector.answered, answered);
  entrance.open(true);
  await until(() => collector.answered > answered && !collector.error);
});

test('a console whose database hangs can be stopped', { skip }, async () => {
  const entrance = await door();
  const running = await start({ every: 10, config: entrance.config });
  await until(() => running.collector.bounds);
  // no statement runs any more
  await new Promise((resolve) => setTimeout(resolve, 1000));
  entrance.open(false);
  await running.stop();
  entrance.close();
});

test('a clock that is set back does not stop the polls', { skip }, async (t) => {
  const { Collector } = await import('../collector.js');
  let offset = 0;
  const collector = new Collector(database, { every: 0.1, now: () => Date.now() - offset });
  t.after(() => collector.stop());
  let polls = 0;
  const take = collector.take;
  collector.take = function (name, ...rest) {
    if (name === 'stats') polls++;
    return take.call(this, name, ...rest);
  };
  collector.start();
  await until(() => polls > 0);
  offset = 86400000;
  polls = 0;
  await until(() => polls > 1);
});
