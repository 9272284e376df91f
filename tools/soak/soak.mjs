/**
 * `npm run soak`: a bounded storm of calls on workers that are killed all the time. Prints the ledger; fails on any
 * breach of what the runtime promises.
 */
import { randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { buildRuntime } from '../workspace/build-runtime.mjs';
import { fail } from '../workspace/lib.mjs';
import { soak } from './chaos.mjs';
import { toText } from './report.mjs';

const USAGE = `npm run soak -- [--seconds N] [--json FILE] [--in-flight N] [--seed N] [--transport socket|grpc]
  --seconds N    how long workers are killed (60)
  --json FILE    writes the ledger there
  --in-flight N  calls that are under way at any time (200)
  --seed N       decides what is called and who is killed, in which order; a run prints its own
  --transport    what carries the calls (socket)`;

const options = readArguments();
await buildRuntime().catch((error) => fail(error.message));
console.log(`${options.seconds} s on ${options.transport}, seed ${options.seed}`);
const report = await soak(await import('@hognose/runtime'), options);
console.log(`\n${toText(report)}`);
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
// What is left of it stands in the ledger: it must not keep this process from telling.
process.exit(report.breachCount === 0 ? 0 : 1);

function readArguments() {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        seconds: { type: 'string', default: '60' },
        json: { type: 'string' },
        'in-flight': { type: 'string', default: '200' },
        seed: { type: 'string', default: String(randomInt(2 ** 31)) },
        transport: { type: 'string', default: 'socket' },
      },
    }));
  } catch (error) {
    return fail(`${error.message}\n\n${USAGE}`);
  }
  const integer = (name, least, most) => {
    const value = Number(values[name]);
    if (!Number.isInteger(value) || value < least || value > most)
      fail(`--${name}: must be an integer from ${least} to ${most}, not ${values[name]}\n\n${USAGE}`);
    return value;
  };
  if (!['socket', 'grpc'].includes(values.transport)) fail(`--transport: must be socket or grpc\n\n${USAGE}`);
  return {
    json: values.json,
    transport: values.transport,
    seconds: integer('seconds', 1, 86_400),
    inFlight: integer('in-flight', 1, 10_000),
    seed: integer('seed', 0, 2 ** 32 - 1),
  };
}
