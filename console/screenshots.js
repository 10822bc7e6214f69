#!/usr/bin/env node
// Take the pictures of the console for the manual.
//
// usage: node screenshots.js FOLDER
//
// Makes some queues with traffic in the database that libpq's variables name,
// which should be an empty one with pgmq_c.  Needs chromium and the packages for
// development (npm ci).

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { chromium } from 'playwright-core';
import { start } from './server.js';

const folder = process.argv[2] ?? '../docs';
const seconds = 60;
const client = new pg.Client();
await client.connect();
const sql = (text, values) => client.query(text, values);

const names = ['orders', 'invoices', 'mails', 'mails_dead', 'thumbnails', 'webhooks', 'embeddings', 'audit', 'exports', 'sms'];
for (const name of names) await sql('SELECT pgmq.create($1)', [name]);
await sql(`SELECT pgmq.set_policy('mails', '{"max_reads": 3, "dead_letter_queue": "mails_dead", "backoff": "exponential"}')`);
await sql(`SELECT pgmq.set_policy('webhooks', '{"max_reads": 2, "dead_letter_queue": "webhooks_dead"}')`).catch(() => {});
await sql(`SELECT pgmq.pause('exports', now() + interval '1 hour')`);
await sql(`SELECT pgmq.send_batch('embeddings', array_fill('{"document": 7}'::jsonb, '{4000}'))`);

const running = await start({ write: true, every: 0.5 });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/google-chrome'].find(existsSync),
  args: ['--no-sandbox'],
});

const end = Date.now() + seconds * 1000;
for (let i = 0; Date.now() < end; i++) {
  const wave = 1 + Math.sin(i / 20);
  for (const name of ['orders', 'invoices', 'mails', 'thumbnails', 'sms']) {
    await sql(`SELECT pgmq.send($1, '{"order": ${i}, "customer": "c-${i % 17}"}') FROM generate_series(1, $2)`, [name, Math.round(4 * wave)]);
    await sql('SELECT pgmq.delete($1, ARRAY(SELECT msg_id FROM pgmq.read($1, 30, $2)))', [name, 3 + (i % 4)]);
  }
  await sql('SELECT pgmq.nack($1, ARRAY(SELECT msg_id FROM pgmq.read($1, 30, 2)), 1)', ['mails']);
  await sql('SELECT pgmq.delete($1, ARRAY(SELECT msg_id FROM pgmq.read($1, 30, 5)))', ['embeddings']);
  await new Promise((resolve) => setTimeout(resolve, 100));
}

for (const colorScheme of ['light', 'dark']) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 620 }, colorScheme });
  await page.goto(running.address);
  await page.locator('#queues tbody tr').first().waitFor();
  if (colorScheme === 'light') await page.screenshot({ path: join(folder, 'console-list.png') });
  await page.goto(`${running.address}#/queue/mails`);
  await page.locator('.histogram').first().waitFor();
  await page.setViewportSize({ width: 1280, height: 1050 });
  if (colorScheme === 'dark') await page.screenshot({ path: join(folder, 'console-queue.png') });
  await page.close();
}
await browser.close();
await running.stop();
await client.end();
