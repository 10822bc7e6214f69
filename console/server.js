#!/usr/bin/env node
// The console of pgmq_c: a page that shows the queues of one database.
//
// usage: node server.js [--port N] [--write]
//
// The database is the one that libpq's variables name (PGHOST, PGDATABASE,
// PGUSER ..).  The page is served on this machine only.  Without --write it
// changes nothing.  What is shown and done is limited to what the role may see
// and do.

import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Collector } from './collector.js';
import { Desk, actions } from './database.js';

const here = dirname(fileURLToPath(import.meta.url));
const uplot = dirname(createRequire(import.meta.url).resolve('uplot/package.json'));

const files = {
  '/': [join(here, 'public/index.html'), 'text/html; charset=utf-8'],
  '/console.js': [join(here, 'public/console.js'), 'text/javascript; charset=utf-8'],
  '/draw.js': [join(here, 'public/draw.js'), 'text/javascript; charset=utf-8'],
  '/console.css': [join(here, 'public/console.css'), 'text/css; charset=utf-8'],
  '/uplot.js': [join(uplot, 'dist/uPlot.esm.js'), 'text/javascript; charset=utf-8'],
  '/uplot.css': [join(uplot, 'dist/uPlot.min.css'), 'text/css; charset=utf-8'],
};

const headers = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
};

/** An error that has a status of HTTP. */
class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The number of a parameter within bounds. */
function number(params, name, otherwise, max) {
  const value = Number(params.get(name) ?? otherwise);
  return Number.isInteger(value) && value >= 0 ? Math.min(value, max) : otherwise;
}

function queueName(params) {
  const name = params.get('name');
  if (!name) throw new Refusal(400, 'the name of a queue is missing');
  return name;
}

async function body(request) {
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > 10000) throw new Refusal(413, 'the request is too large');
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, 'the request is not JSON');
  }
}

/** Start the console; returns its address, and how to stop it. */
export async function start({ port = 0, write = false, every = 1, config = {} } = {}) {
  const collector = new Collector(config, { every });
  const desk = new Desk(config, write);
  // Another page in the same browser cannot read this, and so cannot act.
  const token = randomBytes(16).toString('hex');

  const answers = {
    'GET /api/session': () => ({ token, write, database: config.database ?? process.env.PGDATABASE ?? null }),
    'GET /api/queues': (params) => ({
      ...collector.summary(),
      ...collector.list({
        search: params.get('search') ?? '',
        sort: params.get('sort') ?? 'problems',
        offset: number(params, 'offset', 0, 1e6),
        limit: number(params, 'limit', 50, 200),
      }),
    }),
    'GET /api/queue': async (params) => {
      const name = queueName(params);
      return { ...collector.summary(), detail: collector.detail(name) };
    },
    'GET /api/policy': async (params) => (await desk.ask('policy', [queueName(params)]))[0],
    'GET /api/messages': (params) =>
      desk.messages(queueName(params), params.get('state') ?? 'all', params.get('after') || null),
    'POST /api/act': async (_, request) => {
      if (!write) throw new Refusal(403, 'the console was started without --write');
      if (request.headers['x-pgmq-console'] !== token) throw new Refusal(403, 'the request is not from the page');
      const given = await body(request);
      if (!Object.hasOwn(actions, given.action)) throw new Refusal(400, 'there is no such action');
      return { result: await desk.act(given.action, given.queue, given) };
    },
  };

  const server = http.createServer(async (request, response) => {
    const say = (status, type, content) => {
      response.writeHead(status, { ...headers, 'content-type': type });
      response.end(content);
    };
    try {
      // A name that leads here from elsewhere is somebody else's page.
      if (!/^(localhost|127\.0\.0\.1|\[::1\]):\d+$/.test(request.headers.host ?? ''))
        throw new Refusal(403, 'the console answers on localhost only');
      // any page in the browser can ask for "//", which is no URL
      if (!URL.canParse(request.url, 'http://localhost')) throw new Refusal(400, 'the address is not valid');
      const url = new URL(request.url, 'http://localhost');
      const answer = answers[`${request.method} ${url.pathname}`];
      if (answer) {
        say(200, 'application/json', JSON.stringify(await answer(url.searchParams, request)));
      } else if (request.method === 'GET' && Object.hasOwn(files, url.pathname)) {
        const [file, type] = files[url.pathname];
        say(200, type, await readFile(file));
      } else {
        throw new Refusal(404, 'there is nothing here');
      }
    } catch (error) {
      say(error.status ?? (error.code ? 422 : 503), 'application/json', JSON.stringify({ error: error.message, code: error.code }));
    }
  });

  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  collector.start();
  return {
    address: `http://localhost:${server.address().port}/`,
    collector,
    async stop() {
      server.closeAllConnections();
      server.close();
      await collector.stop();
      await desk.end();
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: { port: { type: 'string', default: '8808' }, write: { type: 'boolean', default: false } },
  });
  const console_ = await start({ port: Number(values.port), write: values.write });
  console.log(`The console is at ${console_.address}${values.write ? '' : ' (read-only; --write allows actions)'}`);
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => console_.stop().then(() => process.exit(0)));
}
