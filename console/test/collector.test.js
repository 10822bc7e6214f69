// The console without a database: rates, curves, the order of the list, and how
// long it rests.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Collector, History, rate } from '../collector.js';

const metrics = (queue_name, queue_length) => ({
  queue_name, queue_length: String(queue_length), queue_visible_length: String(queue_length), oldest_msg_age_sec: 1,
});
const stats = (queue_name, sent) => ({ queue_name, sent: String(sent), delivered: '0', acked: '0', redelivered: '0' });

function filled() {
  const collector = new Collector({});
  collector.take('lengths', [metrics('long', 500), metrics('short', 1), metrics('bad', 10), metrics('empty', 0)]);
  return collector;
}

test('a history keeps the newest points', () => {
  const history = new History(['v'], 3);
  for (const v of [1, 2, undefined, 4]) history.push({ v });
  assert.deepEqual(history.get('v'), [2, null, 4]);
});

test('a rate is the growth of a counter by second', () => {
  assert.equal(rate('30', '10', 4), 5);
});

test('a counter that was reset, is new, or is not counted has no rate', () => {
  assert.equal(rate('1', '10', 4), null);
  assert.equal(rate('1', undefined, 4), null);
  assert.equal(rate(null, null, 4), null);
});

test('counters beyond what a number holds exactly have the right rate', () => {
  assert.equal(rate('9007199254740995', '9007199254740992', 1), 3);
});

test('queues with findings come first, then the longest', () => {
  const collector = filled();
  collector.take('health', [
    { severity: 'warning', queue_name: 'short' }, { severity: 'info', queue_name: 'bad' },
    { severity: 'critical', queue_name: 'bad' }, { severity: 'critical', queue_name: null },
  ]);
  assert.deepEqual(collector.list().lines.map((line) => line.name), ['bad', 'short', 'long', 'empty']);
  assert.equal(collector.list().lines[0].severity, 'critical');
});

test('the list is searched, sorted and cut', () => {
  const collector = filled();
  assert.deepEqual(collector.list({ search: 'O', sort: 'name' }).lines.map((line) => line.name), ['long', 'short']);
  const page = collector.list({ sort: 'length', offset: 1, limit: 2 });
  assert.deepEqual(page.lines.map((line) => line.name), ['bad', 'short']);
  assert.equal(page.count, 4);
});

test('a queue that was dropped disappears, and its successor begins anew', () => {
  const collector = filled();
  collector.take('stats', [stats('long', 100)], 1000);
  collector.take('stats', [stats('long', 300)], 3000);
  assert.equal(collector.detail('long').line.sent, 100);
  collector.take('lengths', [metrics('short', 1)]);
  assert.equal(collector.detail('long'), null);
  collector.take('lengths', [metrics('long', 0)]);
  assert.deepEqual(collector.detail('long').curves.sent, []);
});

test('messages that the due map knows to be readable are shown, and are not 0 where it does not know', () => {
  const collector = filled();
  collector.take('stats', [{ ...stats('long', 1), readable: '7' }, { ...stats('bad', 1), readable: null }], 1000);
  collector.take('stats', [{ ...stats('long', 1), readable: '0' }], 3000);
  assert.equal(collector.detail('long').line.readable, 0);
  assert.deepEqual(collector.detail('long').curves.readable, [7, 0]);
  assert.equal(collector.detail('bad').line.readable, null);
  assert.deepEqual(collector.detail('bad').curves.readable, [null]);
  assert.deepEqual(collector.list({ sort: 'readable' }).lines.map((line) => line.name)[0], 'long');
});

test('waiting readers are counted for each queue', () => {
  const collector = filled();
  collector.take('waiters', [{ queue_name: 'long' }, { queue_name: 'long' }, { queue_name: 'bad' }]);
  assert.equal(collector.detail('long').line.waiting, 2);
  assert.equal(collector.detail('long').waiters.length, 2);
});
