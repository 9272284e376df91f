import { readFileSync } from 'node:fs';
import protobuf from 'protobufjs';
import * as grpc from '../../src/transport/grpc-codec.js';
import { decodeFrame, FrameWriter, MAX_FRAME_BYTES } from '../../src/transport/socket-codec.js';
import { PART_BYTES } from '../../src/transport/backlog.js';
import { NO_HANDLES } from '../../src/values/decode.js';
import { callOf } from './real-worker.js';

const text = readFileSync(new URL('../../../../docs/protocol.md', import.meta.url), 'utf8');
const proto = readFileSync(new URL('../../proto/hognose/v1/worker.proto', import.meta.url), 'utf8');

/** What stands in the document as code. */
const named = new Set([...text.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code));

const contract = protobuf.parse(proto, { keepCase: true }).root;

/** A message, enumeration or service of the contract, and the names in it. */
const types = (contract.lookup('hognose.v1') as protobuf.Namespace).nestedArray.map((type): [string, string[]] => {
  if (type instanceof protobuf.Enum) return [type.name, Object.keys(type.values)];
  if (type instanceof protobuf.Type && /^(Host|Worker)Message$/.test(type.name))
    return [type.name, type.fieldsArray.map((field) => (field.resolve(), field.resolvedType?.name ?? ''))];
  return [type.name, type instanceof protobuf.Type ? type.fieldsArray.map((field) => field.name) : []];
});

test.each(types.filter(([name]) => name !== 'Worker'))(
  'docs/protocol.md names %s and all that is in it',
  (name, inner) => {
    expect([name, ...inner].filter((one) => !named.has(one))).toEqual([]);
  },
);

test('docs/protocol.md names the service', () => {
  expect(named).toContain('hognose.v1.Worker/Attach');
  expect(types.map(([name]) => name)).toEqual(expect.arrayContaining(['Worker', 'Call', 'LogSource', 'HostMessage']));
});

/** The bytes of the examples of a lane. */
function examples(label: string): Buffer[] {
  return [...text.matchAll(new RegExp(`^\`\`\`hex ${label}\n([^\`]*)^\`\`\``, 'gm'))].map(([, lines = '']) =>
    Buffer.from(
      lines
        .split('\n')
        .map((line) => line.split('    ')[0]?.replaceAll(' ', '') ?? '')
        .join(''),
      'hex',
    ),
  );
}

const CALL = callOf(5, 'math.sqrt', Uint8Array.of(0x91, 16), { deadlineMs: 300_000 });

test('the examples in bytes are what is sent and read', () => {
  const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex');
  expect(examples('host').map(hex)).toEqual([hex(new FrameWriter().frame([CALL]))]);
  const read = examples('worker').map((bytes) => {
    expect(bytes.readUInt32LE(0)).toBe(bytes.length - 4);
    return decodeFrame(bytes.subarray(4), NO_HANDLES);
  });
  expect(read).toEqual([
    [{ kind: 'hello', protocolVersion: 1, role: 1, workerId: 7, secret: 's3', pid: 42, pythonVersion: '3.12.4', payloadVersions: [1], version: '0.1.0' }], // prettier-ignore
    [{ kind: 'result', id: 5, value: 4 }],
  ]);
  const [frame] = examples('grpc');
  const type = contract.lookupType('hognose.v1.HostFrame');
  const asObject = (bytes: Uint8Array): unknown => type.toObject(type.decode(bytes), { defaults: true, longs: Number });
  expect(asObject(frame ?? new Uint8Array(0))).toEqual(asObject(grpc.encodeFrame([CALL])));
});

test('the limits are those of the code', () => {
  expect(text).toMatch(new RegExp(`\\| a frame of the socket lane +\\| ${MAX_FRAME_BYTES / 2 ** 20} MiB;`));
  expect(text).toContain(`Hognose sends ${PART_BYTES / 2 ** 10} KiB`);
});
