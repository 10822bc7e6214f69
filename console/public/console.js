// The page: a list of queues, and a page for each of them.  It asks the console
// every two seconds; the console asks the database, once for all pages.

import { ago, chart, count, duration, element, histogram, perSecond, sparkline } from '/draw.js';

const $ = (selector) => document.querySelector(selector);
const session = await (await fetch('/api/session')).json();

const PAGE = 50;
let offset = 0;
let marked = 0;
let shown = null; // the page of a queue that is shown

async function ask(path, params = {}) {
  const response = await fetch(`${path}?${new URLSearchParams(params)}`);
  const answer = await response.json();
  if (!response.ok) throw Object.assign(new Error(answer.error), { code: answer.code });
  return answer;
}

// ---------------------------------------------------------------- the state of the console

function showState(summary, error) {
  const why = error ?? summary?.error;
  const banner = $('#banner');
  banner.hidden = !why;
  if (why)
    banner.textContent = error
      ? `The console does not answer: ${why}. The page shows what was known last.`
      : `The database does not answer: ${why}. The page shows what was known last.`;
  $('#state').textContent = summary?.answered
    ? `${count(summary.queues)} queues, as of ${duration((summary.now - summary.answered) / 1000)} ago`
    : '';
}

function finding(found, withQueue) {
  const box = element('div', { class: `finding ${found.severity}` });
  const head = element('div', {}, `${found.severity}: ${found.what}`);
  if (withQueue && found.queue_name) head.append(' in ', queueLink(found.queue_name));
  if (found.since) head.append(element('span', { class: 'dim' }, ` since ${new Date(found.since).toLocaleString()}`));
  box.append(head);
  for (const part of ['evidence', 'advice']) if (found[part]) box.append(element('p', {}, String(found[part])));
  return box;
}

function notices(summary) {
  return Object.entries(summary.notices).map(([name, text]) =>
    element('div', { class: 'finding info' }, `The console cannot show ${name}: ${text}`),
  );
}

// ---------------------------------------------------------------- the list

function queueLink(name) {
  return element('a', { href: `#/queue/${encodeURIComponent(name)}` }, name);
}

function stateOf(line) {
  const words = [];
  if (line.severity) words.push(element('span', { class: line.severity }, line.severity));
  if (line.paused_until) words.push(element('span', { class: 'warning' }, 'paused'));
  return element('td', {}, ...words.flatMap((word, i) => (i ? [', ', word] : [word])));
}

function row(line, i) {
  const n = (text) => element('td', { class: 'n' }, text);
  return element(
    'tr',
    { class: i === marked ? 'at' : '', 'data-name': line.name },
    element('td', { class: 'name' }, queueLink(line.name)),
    stateOf(line),
    n(count(line.length)),
    element('td', {}, sparkline(line.spark)),
    n(count(line.visible)),
    n(count(line.readable)),
    n(duration(line.oldest)),
    n(perSecond(line.sent)),
    element('td', {}, sparkline(line.sparkSent)),
    n(perSecond(line.delivered)),
    n(perSecond(line.acked)),
    n(perSecond(line.redelivered)),
    n(count(line.waiting)),
  );
}

async function showList() {
  const answer = await ask('/api/queues', { search: $('#search').value, sort: $('#sort').value, offset, limit: PAGE });
  if (offset >= answer.count && offset > 0) {
    offset = Math.max(0, Math.ceil(answer.count / PAGE - 1) * PAGE);
    return showList();
  }
  showState(answer);
  $('#count').textContent = `${count(answer.count)} of ${count(answer.queues)}`;
  $('#general').replaceChildren(
    ...notices(answer),
    ...answer.findings
      .filter((found) => !found.queue_name || found.severity === 'critical')
      .slice(0, 10)
      .map((found) => finding(found, true)),
  );
  marked = Math.min(marked, Math.max(0, answer.lines.length - 1));
  // a click on a link must not be lost because its row was replaced meanwhile
  if (!$('#queues tbody a:active')) {
    const focused = document.activeElement?.closest?.('#queues tr')?.dataset.name;
    $('#queues tbody').replaceChildren(...answer.lines.map(row));
    if (focused) [...$('#queues tbody').rows].find((r) => r.dataset.name === focused)?.querySelector('a').focus();
  }
  $('#page').textContent = answer.count
    ? `${offset + 1} to ${Math.min(offset + PAGE, answer.count)} of ${count(answer.count)}`
    : 'no queue';
  $('#previous').disabled = offset === 0;
  $('#next').disabled = offset + PAGE >= answer.count;
  return answer;
}

// ---------------------------------------------------------------- one queue

const curveNames = ['sent', 'delivered', 'acked', 'redelivered'];
const facts = [
  ['length', 'length', count],
  ['visible', 'visible', count],
  ['readable', 'readable', count],
  ['oldest', 'oldest message', duration],
  ['sent', 'sent /s', perSecond],
  ['delivered', 'delivered /s', perSecond],
  ['acked', 'finished /s', perSecond],
  ['redelivered', 'redelivered /s', perSecond],
  ['waiting', 'waiting readers', count],
  ['last_read_at', 'last read', ago],
];

class QueuePage {
  constructor(name) {
    this.name = name;
    this.state = 'visible';
    const part = () => element('div');
    Object.assign(this, {
      head: part(), facts: element('div', { class: 'facts' }), findings: part(), acts: element('div', { class: 'bar' }),
      said: element('div', { role: 'status' }), charts: element('div', { class: 'charts' }), histograms: element('div', { class: 'charts' }),
      waiters: part(), policy: part(), messages: part(), counters: part(),
    });
    const root = $('#queue');
    root.replaceChildren(
      element('p', {}, element('a', { href: '#/' }, '← all queues')), element('h2', {}, name), this.head, this.facts, this.findings,
      this.acts, this.said, this.charts, this.histograms, element('h2', {}, 'Waiting readers'), this.waiters,
      element('h2', {}, 'Policy'), this.policy, element('h2', {}, 'Counters'), this.counters,
      element('h2', {}, 'Messages'), this.messages,
    );
    if (session.write) this.offerActions();
    this.offerMessages();
    this.showPolicy();
  }

  async show() {
    const answer = await ask('/api/queue', { name: this.name });
    showState(answer);
    const { detail } = answer;
    this.head.replaceChildren(...(detail ? [] : [element('p', {}, 'There is no such queue, or your role may not see it.')]));
    if (!detail) return;
    this.facts.replaceChildren(
      ...facts.map(([key, label, format]) => element('div', {}, label, element('b', {}, format(detail.line[key])))),
    );
    if (detail.line.paused_until)
      this.facts.append(
        element('div', {}, 'paused until', element('b', { class: 'warning' }, new Date(detail.line.paused_until).toLocaleString())),
      );
    this.findings.replaceChildren(...detail.findings.map((found) => finding(found, false)));
    this.showCurves(detail.curves);
    this.showHistograms(detail.stats, detail.bounds);
    this.waiters.replaceChildren(detail.waiters.length ? table(detail.waiters) : element('p', { class: 'dim' }, 'none'));
    this.counters.replaceChildren(...(detail.stats ? [counters(detail.stats)] : notices(answer)));
  }

  showCurves(curves) {
    const rates = [curves.t, ...curveNames.map((name) => curves[name])];
    const length = [curves.t, curves.length, curves.readable];
    if (!this.rates) {
      this.rates = chart(this.charts, 'Messages a second', curveNames, rates);
      this.length = chart(this.charts, 'Length', ['length', 'readable'], length);
    } else {
      this.rates.setData(rates);
      this.length.setData(length);
    }
  }

  showHistograms(stats, bounds) {
    if (!bounds || !stats?.wait_buckets) return;
    this.histograms.replaceChildren(
      ...['wait', 'processing', 'age'].map((kind) => {
        const n = Number(stats[`${kind}_count`]);
        const mean = n ? `, on average ${duration(Number(stats[`${kind}_seconds`]) / n)}` : '';
        return element(
          'div',
          {},
          element('h2', {}, `${kind}: ${count(n)} messages${mean}`),
          histogram(bounds, stats[`${kind}_buckets`].map(Number)),
        );
      }),
    );
  }

  async showPolicy() {
    try {
      const { policy } = await ask('/api/policy', { name: this.name });
      this.policy.replaceChildren(element('pre', {}, JSON.stringify(policy, null, 2)));
    } catch (error) {
      this.policy.replaceChildren(element('p', { class: 'dim' }, error.message));
    }
  }

  // -------------------------------------------------------------- messages

  offerMessages() {
    const states = ['visible', 'delayed', 'in_flight', 'all', 'archived'];
    const choice = element(
      'select',
      { 'aria-label': 'State of messages', onchange: (event) => this.showMessages((this.state = event.target.value)) },
      ...states.map((state) => element('option', { value: state }, state.replace('_', ' '))),
    );
    this.rows = element('div');
    this.messages.replaceChildren(
      element('div', { class: 'bar' }, choice, element('button', { type: 'button', onclick: () => this.showMessages() }, 'Look again')),
      this.rows,
    );
    this.showMessages();
  }

  async showMessages() {
    try {
      const { rows, hidden } = await ask('/api/messages', { name: this.name, state: this.state });
      const columns = Object.keys(rows[0] ?? {});
      this.rows.replaceChildren(
        ...(hidden ? [element('p', { class: 'info' }, `Without body and headers: ${hidden}`)] : []),
        rows.length
          ? element(
              'table',
              {},
              element('thead', {}, element('tr', {}, ...[...columns, ...(session.write ? [''] : [])].map((c) => element('th', { scope: 'col' }, c)))),
              element('tbody', {}, ...rows.map((message) => this.message(message, columns))),
            )
          : element('p', { class: 'dim' }, 'none'),
      );
    } catch (error) {
      this.rows.replaceChildren(element('p', { class: 'warning' }, error.message));
    }
  }

  message(message, columns) {
    const cells = columns.map((column) => {
      const value = message[column];
      if (value === null) return element('td', { class: 'dim' }, '–');
      if (column === 'message' || column === 'headers') return element('td', {}, element('pre', {}, value));
      return element('td', {}, /(_at|vt)$/.test(column) ? new Date(value).toLocaleString() : String(value));
    });
    if (session.write) {
      const actions = this.state === 'archived' ? ['unarchive'] : ['nack', 'dead_letter'];
      cells.push(element('td', {}, ...actions.map((action) => this.button(action, { msg_id: message.msg_id }))));
    }
    return element('tr', {}, ...cells);
  }

  // -------------------------------------------------------------- actions

  offerActions() {
    this.acts.replaceChildren(...['pause', 'resume', 'redrive'].map((action) => this.button(action, {})));
  }

  button(action, given) {
    return element('button', { type: 'button', 'data-action': action, onclick: () => this.act(action, given) }, acts[action].label);
  }

  async act(action, given) {
    const { label, text, fields = {} } = acts[action];
    const dialog = $('#confirm');
    const inputs = Object.entries(fields).map(([name, [what, type, value]]) => [name, element('input', { type, value, name }), what]);
    dialog.querySelector('p').textContent = `${label}: ${text(this.name, given)}`;
    dialog.querySelector('.fields').replaceChildren(...inputs.map(([, input, what]) => element('label', {}, `${what} `, input)));
    dialog.returnValue = 'no';
    dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener('close', resolve, { once: true }));
    if (dialog.returnValue !== 'yes') return;
    const request = { action, queue: this.name, ...given };
    for (const [name, input] of inputs) request[name] = input.type === 'number' ? Number(input.value) : input.value;
    try {
      const response = await fetch('/api/act', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-pgmq-console': session.token },
        body: JSON.stringify(request),
      });
      const answer = await response.json();
      if (!response.ok) throw new Error(answer.error);
      this.said.className = '';
      this.said.textContent = `${label}: ${Object.entries(answer.result).map(([k, v]) => (v === '' ? 'done' : `${k} ${v}`)).join(', ')}`;
    } catch (error) {
      this.said.className = 'critical';
      this.said.textContent = `${label}: ${error.message}`;
    }
    this.showMessages();
  }
}

const acts = {
  pause: { label: 'Pause', text: (queue) => `reads of ${queue} return nothing until the time is over.`, fields: { minutes: ['Minutes', 'number', 60] } },
  resume: { label: 'Resume', text: (queue) => `${queue} can be read again.` },
  redrive: { label: 'Redrive', text: (queue) => `messages go from ${queue} back to the queues that they came from.`, fields: { qty: ['How many', 'number', 1] } },
  nack: { label: 'Nack', text: (queue, { msg_id }) => `message ${msg_id} of ${queue} can be read again, though a reader may work on it.` },
  dead_letter: {
    label: 'Dead-letter',
    text: (queue, { msg_id }) => `message ${msg_id} of ${queue} goes to its dead-letter queue.`,
    fields: { reason: ['Reason', 'text', 'by hand'] },
  },
  unarchive: { label: 'Unarchive', text: (queue, { msg_id }) => `message ${msg_id} leaves the archive of ${queue} and is sent again.` },
};

function table(rows) {
  const columns = Object.keys(rows[0]);
  return element(
    'table',
    {},
    element('thead', {}, element('tr', {}, ...columns.map((column) => element('th', { scope: 'col' }, column)))),
    element('tbody', {}, ...rows.map((r) => element('tr', {}, ...columns.map((column) => element('td', {}, String(r[column] ?? '–')))))),
  );
}

function counters(stats) {
  const plain = Object.entries(stats).filter(([name, value]) => !Array.isArray(value) && name !== 'queue_name');
  return element(
    'div',
    { class: 'facts' },
    ...plain.map(([name, value]) => element('div', {}, name, element('b', {}, /^\d+$/.test(value) ? count(Number(value)) : String(value ?? '–')))),
  );
}

// ---------------------------------------------------------------- moving about

async function show() {
  try {
    if (shown) await shown.show();
    else await showList();
  } catch (error) {
    showState(null, error.message);
  }
}

function go() {
  const match = /^#\/queue\/(.+)$/.exec(location.hash);
  const name = match ? decodeURIComponent(match[1]) : null;
  $('#list').hidden = Boolean(name);
  $('#queue').hidden = !name;
  shown = name ? new QueuePage(name) : null;
  show();
}

function theme(chosen) {
  document.documentElement.dataset.theme = chosen;
  localStorage.setItem('theme', chosen);
}

$('#database').textContent = session.database ?? '';
$('#mode').textContent = session.write ? 'actions are allowed' : '';
theme(localStorage.getItem('theme') ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'));
const otherTheme = () => {
  theme(document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark');
  go();
};
$('#theme').addEventListener('click', otherTheme);
for (const id of ['#search', '#sort'])
  $(id).addEventListener('input', () => {
    offset = marked = 0;
    show();
  });
$('#previous').addEventListener('click', () => ((offset = Math.max(0, offset - PAGE)), show()));
$('#next').addEventListener('click', () => ((offset += PAGE), show()));
addEventListener('hashchange', go);
addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $('#confirm').open) return;
  if (event.target.matches('input, select, textarea')) {
    if (event.key === 'Escape') event.target.blur();
    return;
  }
  const rows = [...$('#queues tbody').rows];
  const move = (step) => {
    marked = Math.max(0, Math.min(rows.length - 1, marked + step));
    rows.forEach((r, i) => r.classList.toggle('at', i === marked));
    rows[marked]?.scrollIntoView({ block: 'nearest' });
  };
  if (event.key === 't') otherTheme();
  else if (event.key === 'Escape' && shown) location.hash = '#/';
  else if (shown) return;
  else if (event.key === '/') $('#search').focus();
  else if (event.key === 'j') move(1);
  else if (event.key === 'k') move(-1);
  else if (event.key === 'Enter' && rows[marked] && !event.target.closest('a, button'))
    location.hash = rows[marked].querySelector('a').hash;
  else return;
  event.preventDefault();
});

go();
setInterval(show, 2000);
