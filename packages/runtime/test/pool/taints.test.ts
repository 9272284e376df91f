import { Taints } from '../../src/pool/taints.js';

function taints(taintAfter = 3, clearAfter = 2): { readonly list: Taints; readonly log: string[] } {
  const log: string[] = [];
  const list = new Taints({ taintAfter, clearAfter }, (target, change, crashes) => {
    log.push(`${target} ${change} ${crashes}`);
  });
  return { list, log };
}

test('a target is tainted by crashes, and trusted again after successes in a row', () => {
  const { list, log } = taints();
  expect(list.isWatching).toBe(false);
  for (let crash = 0; crash < 3; crash += 1) list.crashed('a.b');
  list.crashed('other');
  expect(list.isTainted('a.b')).toBe(true);
  expect(list.isTainted('other')).toBe(false);
  list.answered('a.b');
  expect(list.list()).toEqual([{ target: 'a.b', crashes: 3, successes: 1 }]);
  list.crashed('a.b'); // in a row: this one begins it anew
  list.answered('a.b');
  expect(list.isTainted('a.b')).toBe(true);
  list.answered('a.b');
  expect(list.isTainted('a.b')).toBe(false);
  expect(list.isAny).toBe(false);
  expect(log).toEqual(['a.b tainted 3', 'a.b succeeded 4']);
});

test('crashes that are few among successes taint nothing', () => {
  const { list, log } = taints();
  for (let round = 0; round < 10; round += 1) {
    list.crashed('a.b');
    list.crashed('a.b');
    list.answered('a.b');
    list.answered('a.b');
  }
  expect(log).toEqual([]);
  expect(list.isWatching).toBe(false);
});

test('taints are lifted one by one, and all at once', () => {
  const { list, log } = taints(1);
  list.crashed('a');
  list.crashed('b');
  list.crashed('c');
  expect(list.clear('b')).toEqual(['b']);
  expect(list.clear('unknown')).toEqual([]);
  expect(list.clear()).toEqual(['a', 'c']);
  expect(list.isWatching).toBe(false);
  expect(log.slice(3)).toEqual(['b lifted 1', 'a lifted 1', 'c lifted 1']);
});

test('taintAfter 0 taints nothing', () => {
  const { list } = taints(0);
  for (let crash = 0; crash < 10; crash += 1) list.crashed('a');
  expect(list.isWatching).toBe(false);
});

test('the oldest suspect is forgotten for one more than are remembered', () => {
  const { list } = taints(1);
  for (let target = 0; target <= 1000; target += 1) list.crashed(`t${target}`);
  expect(list.isTainted('t0')).toBe(false);
  expect(list.isTainted('t1000')).toBe(true);
  expect(list.list()).toHaveLength(1000);
});
