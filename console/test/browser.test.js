// The console in a browser, with a server that has pgmq_c.
//
// CONSOLE_SOCKET and CONSOLE_PORT lead to the server, and CONSOLE_DATABASE is a
// database with the extension.  CHROMIUM is the browser (default: the one found).

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import pg from 'pg';
import { start } from '../server.js';

const socket = process.env.CONSOLE_SOCKET;
const browserPath = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/google-chrome'].find(existsSync);
const skip = !socket ? 'CONSOLE_SOCKET names no server' : !browserPath ? 'no chromium' : false;
// a queue's name cannot have an apostrophe, but a body can
const hostile = '"><script>document.title=8</script>';
const body = `'${hostile}'`;
const database = {
  host: socket, port: Number(process.env.CONSOLE_PORT ?? 5432), database: process.env.CONSOLE_DATABASE, user: 'postgres',
};
let sql;
let browser;

/** The database behind a door that can be shut. */
async function door() {
  const open = new Set();
  let shut = false;
  const server = net.createServer((client) => {
    if (shut) return client.destroy();
    const behind = net.connect(`${socket}/.s.PGSQL.${database.port}`);
    for (const end of [client, behind]) {
      open.add(end);
      end.on('error', () => {}).on('close', () => (open.delete(end), client.destroy(), behind.destroy()));
    }
    client.pipe(behind).pipe(client);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    config: { ...database, host: '127.0.0.1', port: server.address().port },
    shut(now) {
      shut = now;
      if (now) for (const end of open) end.destroy();
    },
    close() {
      this.shut(true);
      server.close();
    },
  };
}

/** A console and a page of it. */
async function open(t, options = {}, path = '') {
  const running = await start({ every: 0.1, config: database, ...options });
  const context = await browser.newContext({ ...options.context });
  const page = await context.newPage();
  const wrong = [];
  page.on('pageerror', (error) => wrong.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(running.address) && !request.url().startsWith('data:')) wrong.push(`asks for ${request.url()}`);
  });
  t.after(async () => {
    await context.close();
    await running.stop();
    assert.deepEqual(wrong, []);
  });
  await page.goto(running.address + path);
  return { page, running };
}

const queueRow = (page, name) => page.locator('#queues tbody tr').filter({ has: page.getByText(name, { exact: true }) });
const cell = (page, name, n) => queueRow(page, name).locator('td').nth(n);

before(async () => {
  if (skip) return;
  sql = new pg.Client(database);
  await sql.connect();
  for (const name of ['orders', 'mails', 'mails_dead', hostile]) await sql.query('SELECT pgmq.create($1)', [name]);
  for (let i = 0; i < 60; i++) await sql.query('SELECT pgmq.create($1)', [`many_${i}`]);
  await sql.query('SELECT pgmq.send($1, $2::jsonb)', [hostile, JSON.stringify({ text: body })]);
  await sql.query(`SELECT pgmq.send_batch('orders', array_fill('{"order": 1}'::jsonb, '{7}'))`);
  await sql.query(`SELECT pgmq.set_policy('mails', '{"dead_letter_queue": "mails_dead"}')`);
  browser = await chromium.launch({ executablePath: browserPath, args: ['--no-sandbox'] });
});

after(async () => {
  await browser?.close();
  await sql?.end();
});

test('the list shows queues and their lengths', { skip }, async (t) => {
  const { page } = await open(t);
  await cell(page, 'orders', 2).filter({ hasText: /^7$/ }).waitFor();
  await sql.query(`SELECT pgmq.send('orders', '{}')`);
  await cell(page, 'orders', 2).filter({ hasText: /^8$/ }).waitFor();
});

test('the list and the page of a queue show how many messages its due map knows to be readable', { skip }, async (t) => {
  await sql.query(`SELECT pgmq.create('known'), pgmq.send_batch('known', array_fill('1'::jsonb, '{4}'))`);
  t.after(() => sql.query(`SELECT pgmq.drop_queue('known')`));
  await sql.query(`SELECT count(*) FROM pgmq.read('known', 600, 1)`);
  // without shared memory there is no due map
  const { readable } = (await sql.query(`SELECT readable FROM pgmq.queue_stats() WHERE queue_name = 'known'`)).rows[0];
  const text = readable === null ? /^–$/ : /^3$/;
  const { page } = await open(t);
  await page.locator('#search').fill('known');
  await cell(page, 'known', 2).filter({ hasText: /^4$/ }).waitFor();
  await cell(page, 'known', 5).filter({ hasText: text }).waitFor();
  await queueRow(page, 'known').getByRole('link').click();
  await page.locator('#queue .facts').first().locator('div', { hasText: /^readable/ }).locator('b', { hasText: text }).waitFor();
});

test('rates come from the counters', { skip }, async (t) => {
  const { page } = await open(t);
  await cell(page, 'orders', 7).filter({ hasText: /^0$/ }).waitFor();
  const timer = setInterval(() => sql.query(`SELECT pgmq.delete('orders', pgmq.send('orders', '{}'))`), 50);
  try {
    await cell(page, 'orders', 7).filter({ hasText: /^[1-9]/ }).waitFor();
  } finally {
    clearInterval(timer);
  }
});

test('the list is searched and moved through by keys', { skip }, async (t) => {
  const { page } = await open(t);
  await page.locator('#queues tbody tr').nth(49).waitFor();
  assert.equal(await page.locator('#queues tbody tr').count(), 50);
  await page.keyboard.press('/');
  await page.keyboard.type('ord');
  await page.locator('#count').filter({ hasText: /^1 of / }).waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('Enter');
  await page.locator('#queue h2').filter({ hasText: /^orders$/ }).waitFor();
  await page.keyboard.press('Escape');
  await page.locator('#list').waitFor();
});

test('names and bodies are shown as they are', { skip }, async (t) => {
  const { page } = await open(t);
  await page.locator('#search').fill('script');
  await queueRow(page, hostile).getByRole('link').click();
  await page.locator('#queue h2', { hasText: hostile }).first().waitFor();
  await page.locator('#queue td pre', { hasText: 'document.title=8' }).waitFor();
  assert.equal(await page.title(), 'pgmq_c console');
});

test('nothing can be done without --write', { skip }, async (t) => {
  const { page, running } = await open(t, {}, '#/queue/orders');
  await page.locator('#queue td pre').first().waitFor();
  assert.equal(await page.locator('#queue [data-action]').count(), 0);
  const { token } = await (await fetch(`${running.address}api/session`)).json();
  const request = (headers) =>
    fetch(`${running.address}api/act`, { method: 'POST', headers, body: JSON.stringify({ action: 'pause', queue: 'orders', minutes: 1 }) });
  assert.equal((await request({ 'x-pgmq-console': token })).status, 403);
});

test('an action is confirmed first, and only then done', { skip }, async (t) => {
  const { page, running } = await open(t, { write: true }, '#/queue/orders');
  const paused = async () => (await sql.query(`SELECT FROM pgmq.policy WHERE queue_name = 'orders' AND paused_until > now()`)).rowCount;
  const pause = page.locator('#queue [data-action=pause]');
  await pause.click();
  await page.getByRole('button', { name: 'Cancel' }).click();
  assert.equal(await paused(), 0);
  await pause.click();
  await page.locator('#confirm input').fill('5');
  await page.getByRole('button', { name: 'Do it' }).click();
  await page.getByText('Pause: done').waitFor();
  assert.equal(await paused(), 1);
  await page.getByText('paused until').waitFor();
  await page.locator('#queue [data-action=resume]').click();
  await page.getByRole('button', { name: 'Do it' }).click();
  await page.getByText('Resume: done true').waitFor();
  assert.equal(await paused(), 0);
  const stranger = await fetch(`${running.address}api/act`, {
    method: 'POST', body: JSON.stringify({ action: 'pause', queue: 'orders', minutes: 1 }),
  });
  assert.equal(stranger.status, 403);
});

test('messages are given back, put aside, sent again and redriven', { skip }, async (t) => {
  const ids = (await sql.query(`SELECT pgmq.send_batch('mails', '{"1","2","3"}'::jsonb[]) AS id`)).rows.map((row) => row.id);
  const archived = (await sql.query(`SELECT pgmq.archive('mails', $1::bigint)`, [ids[2]])).rowCount;
  assert.equal(archived, 1);
  const { page } = await open(t, { write: true }, '#/queue/mails');
  const act = async (id, action, said) => {
    await page.getByRole('row').filter({ has: page.getByRole('cell', { name: id, exact: true }) }).locator(`[data-action=${action}]`).click();
    await page.getByRole('button', { name: 'Do it' }).click();
    await page.getByText(said).waitFor();
  };
  await sql.query(`SELECT pgmq.read('mails', 600, 1)`);
  await page.getByLabel('State of messages').selectOption('in_flight');
  await act(ids[0], 'nack', 'Nack: done true');
  await page.getByLabel('State of messages').selectOption('visible');
  await act(ids[1], 'dead_letter', 'Dead-letter: done true');
  assert.equal((await sql.query('SELECT FROM pgmq.q_mails_dead')).rowCount, 1);
  await page.getByLabel('State of messages').selectOption('archived');
  await act(ids[2], 'unarchive', /Unarchive: new_msg_id \d+/);
  await page.goto(page.url().replace('mails', 'mails_dead'));
  await page.locator('[data-action=redrive]').click();
  await page.getByRole('button', { name: 'Do it' }).click();
  await page.getByText('Redrive: moved 1').waitFor();
});

test('a banner says that the database is away, and goes when it is back', { skip }, async (t) => {
  const entrance = await door();
  const { page } = await open(t, { config: entrance.config });
  t.after(() => entrance.close());
  await queueRow(page, 'orders').waitFor();
  entrance.shut(true);
  await page.locator('#banner', { hasText: 'The database does not answer' }).waitFor();
  assert.equal(await queueRow(page, 'orders').count(), 1);
  entrance.shut(false);
  await page.locator('#banner').waitFor({ state: 'hidden' });
});

test('a role without rights sees why it sees nothing', { skip }, async (t) => {
  await sql.query('CREATE ROLE console_nobody LOGIN');
  t.after(() => sql.query('DROP ROLE console_nobody'));
  const { page } = await open(t, { config: { ...database, user: 'console_nobody' } });
  await page.getByText(/The console cannot show lengths: permission denied/).waitFor();
});

test('a role that may only count messages sees no bodies', { skip }, async (t) => {
  await sql.query('CREATE ROLE console_monitor LOGIN; GRANT pg_monitor TO console_monitor');
  t.after(() => sql.query('DROP OWNED BY console_monitor; DROP ROLE console_monitor'));
  await sql.query('GRANT USAGE ON SCHEMA pgmq TO console_monitor');
  const { page } = await open(t, { config: { ...database, user: 'console_monitor' } }, '#/queue/orders');
  await page.getByText(/Without body and headers: permission denied/).waitFor();
  assert.equal(await page.locator('#queue td pre').count(), 0);
  await page.getByRole('cell', { name: '1', exact: true }).first().waitFor();
});

test('the page follows the preference for dark colours, and can be switched', { skip }, async (t) => {
  const { page } = await open(t, { context: { colorScheme: 'dark' } });
  await page.locator('html[data-theme=dark]').waitFor({ state: 'attached' });
  const back = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await back();
  await page.keyboard.press('t');
  assert.notEqual(await back(), dark);
});

test('all viewers together cost one poll', { skip }, async (t) => {
  const { page, running } = await open(t);
  let polls = 0;
  const take = running.collector.take;
  running.collector.take = function (name, ...rest) {
    if (name === 'lengths') polls++;
    return take.call(this, name, ...rest);
  };
  const viewers = await Promise.all(Array.from({ length: 5 }, () => page.context().newPage()));
  await Promise.all(viewers.map((viewer) => viewer.goto(running.address)));
  polls = 0;
  await Promise.all(Array.from({ length: 200 }, () => fetch(`${running.address}api/queues`)));
  assert.ok(polls < 20, `${polls} polls for 200 requests`);
});
