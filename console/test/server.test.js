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
