import { MsgpackWriter } from '../../src/values/msgpack-writer.js';
import { callOf, startWorker, type RealWorker } from './real-worker.js';

const LARGE_BYTES = 48 * 2 ** 20;

/** The arguments [bytes]. */
function bytesArgument(size: number): Uint8Array {
  const out = new MsgpackWriter();
  out.arrayHeader(1);
  const bytes = Buffer.alloc(size, 7);
  bytes[size - 1] = 9;
  out.binary(bytes);
  return out.take();
}

const NUMBER = Uint8Array.of(0x91, 16);

describe.each(['socket', 'grpc'] as const)('over %s', (transport) => {
  let worker: RealWorker;
  beforeAll(async () => {
    worker = await startWorker(transport);
  });
  afterAll(async () => {
    expect(await worker.close()).toBe(0);
  });

  test('a large value passes both ways, and other calls are answered meanwhile', async () => {
    const large = worker.answer(callOf(1, 'builtins.bytes', bytesArgument(LARGE_BYTES)));
    let isThere = false as boolean;
    void large.then(() => (isThere = true));
    let meanwhile = 0;
    while (!isThere) {
      expect(await worker.answer(callOf(1000 + meanwhile, 'math.sqrt', NUMBER))).toMatchObject({ value: 4 });
      meanwhile += 1;
    }
    const answer = await large;
    const value = (answer as { readonly value: Uint8Array }).value;
    expect([value.length, value[0], value.at(-1)]).toEqual([LARGE_BYTES, 7, 9]);
    expect(meanwhile).toBeGreaterThan(20);
  }, 60_000);

  test('several large values at once arrive each whole', async () => {
    const sizes = [1, 300, 2 ** 18 - 7, 2 ** 18, 2 ** 18 + 1, 2 ** 20, 3 * 2 ** 20 + 5];
    const answers = await Promise.all(
      sizes.map((size, index) => worker.answer(callOf(10 + index, 'builtins.bytes', bytesArgument(size)))),
    );
    expect(answers.map((answer) => (answer as { readonly value: Uint8Array }).value.length)).toEqual(sizes);
  });

  test('a large call that is cancelled while it leaves is answered, and the lane goes on', async () => {
    const large = worker.answer(callOf(20, 'builtins.len', bytesArgument(LARGE_BYTES)));
    await new Promise(setImmediate);
    worker.lane.urgent({ kind: 'cancel', id: 20, reason: 0 });
    expect(await large).toBeInstanceOf(Error);
    expect(await worker.answer(callOf(21, 'math.sqrt', NUMBER))).toMatchObject({ id: 21, value: 4 });
    expect(worker.answered.filter((id) => id === 20)).toHaveLength(1);
  });
});
