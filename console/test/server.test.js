// The console's own server, and what it does when the database is slow, hangs or
// holds large messages.
//
// CONSOLE_SOCKET and CONSOLE_PORT lead to a server, and CONSOLE_DATABASE is a
// database with the extension, for the tests that need one.

import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import { test } from 'node:test';
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
