import type { StreamRest } from '../../src/call-request.js';
import { ItemStream } from '../../src/streams/stream.js';

/** A stream over a worker that sends what it is allowed to, from 1 on. */
function counting(prefetch?: number): {
  readonly stream: ItemStream;
  readonly granted: number[];
  readonly ends: StreamRest[];
  readonly cancels: () => number;
  readonly send: (count: number) => void;
} {
  const ends: StreamRest[] = [];
  const granted: number[] = [];
  let cancels = 0;
  let sent = 0;
  const stream = new ItemStream({ ...(prefetch === undefined ? {} : { prefetch }), ended: (end) => ends.push(end) });
  stream.attach({
    grant: (count) => granted.push(count),
    cancel: () => {
      cancels += 1;
      queueMicrotask(() => {
        stream.end(true);
      });
    },
  });
  return {
    stream,
    granted,
    ends,
    cancels: () => cancels,
    send: (count) => {
      stream.items(Array.from({ length: count }, () => ++sent));
    },
  };
}

test('items come in order, across chunks and after waiting', async () => {
  const { stream, send } = counting();
  const first = stream.next();
  send(2);
  expect(await first).toEqual({ value: 1, done: false });
  expect(await stream.next()).toEqual({ value: 2, done: false });
  send(1);
  stream.end(false);
  expect(await stream.next()).toEqual({ value: 3, done: false });
  expect(await stream.next()).toEqual({ value: undefined, done: true });
  expect(await stream.next()).toEqual({ value: undefined, done: true });
});

test('a consumer that does not take items is granted no further ones', () => {
  const { stream, granted, send } = counting();
  send(stream.credit);
  expect(granted).toEqual([]);
});

test('a consumer that has taken all is granted more and more, up to the limit', async () => {
  const { stream, granted, send } = counting(64);
  let open = stream.credit;
  for (let round = 0; round < 8; round += 1) {
    send(open);
    for (let taken = 0; taken < open; taken += 1) await stream.next();
    open = granted.splice(0).reduce((sum, count) => sum + count, 0);
  }
  expect(open).toBe(64);
});

test('an error comes after the items before it, and once', async () => {
  const { stream, send } = counting();
  send(2);
  stream.fail(new Error('third'));
  expect((await stream.next()).value).toBe(1);
  expect((await stream.next()).value).toBe(2);
  await expect(stream.next()).rejects.toThrow('third');
  expect((await stream.next()).done).toBe(true);
});

test('leaving early tells the worker once, waits for its end and keeps what was not taken', async () => {
  const { stream, send, ends, cancels } = counting();
  send(3);
  send(2);
  await stream.next();
  expect(await stream.return()).toEqual({ value: undefined, done: true });
  await stream.return();
  expect(cancels()).toBe(1);
  expect(ends).toEqual([{ leftover: [2, 3, 4, 5], isResumable: true }]);
  expect((await stream.next()).done).toBe(true);
});
