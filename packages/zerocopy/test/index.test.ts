import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as internal from '../src/internal.js';
import * as zerocopy from '../src/index.js';

const FOR_USERS = [
  'ZeroCopyError',
  'createSegment',
  'decodeBfloat16',
  'decodeFloat16',
  'encodeBfloat16',
  'encodeFloat16',
  'isAvailable',
  'isNDArray',
  'ndarray',
  'ndarrayOf',
  'openSegment',
  'pythonPath',
  'receiveSegment',
  'sendSegment',
];

const FOR_SIBLINGS = [
  'COPY_REASONS',
  'DTYPES',
  'checkArrayFields',
  'constructorOf',
  'dlpackType',
  'dtypeOf',
  'dtypeOfDlpack',
  'isDType',
  'itemSizeOf',
  'makeNDArray',
  'memoryOfFields',
  'originOf',
  'typedArrayOver',
  'writeArrayFields',
];

describe('@hognose/zerocopy', () => {
  it('exports these names and no others', () => {
    expect(Object.keys(zerocopy).sort()).toEqual([...FOR_USERS, ...FOR_SIBLINGS].sort());
  });

  it('exports to its siblings these names and no others', () => {
    expect(Object.keys(internal).sort()).toEqual([
      'copyInPieces',
      'createArena',
      'createLink',
      'holdOf',
      'isReleased',
      'nextLease',
      'peerCredentials',
      'releaseBuffer',
      'takeSocketFd',
    ]);
  });

  it('knows where its Python package is', () => {
    expect(existsSync(join(zerocopy.pythonPath, 'hognose_shm', '__init__.py'))).toBe(true);
  });
});
