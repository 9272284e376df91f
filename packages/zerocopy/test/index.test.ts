import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as internal from '../src/internal.js';
import * as zerocopy from '../src/index.js';

describe('@hognose/zerocopy', () => {
  it('exports these names and no others', () => {
    expect(Object.keys(zerocopy).sort()).toEqual([
      'ZeroCopyError',
      'createSegment',
      'isAvailable',
      'pythonPath',
      'sendSegment',
    ]);
  });

  it('exports to its siblings these names and no others', () => {
    expect(Object.keys(internal)).toEqual(['peerCredentials']);
  });

  it('knows where its Python package is', () => {
    expect(existsSync(join(zerocopy.pythonPath, 'hognose_shm', '__init__.py'))).toBe(true);
  });
});
