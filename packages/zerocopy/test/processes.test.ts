import { describeOnLinux, runFixture } from './helpers.js';

// What can only be seen in a process of its own, with the package as it is built.

describe('the built package', () => {
  it('says why it is unavailable without koffi and on Windows, and throws nothing when asked', async () => {
    const { withoutKoffi, onWindows } = await runFixture('unavailable.mjs');
    expect(onWindows).toMatchObject({ isAvailable: false, code: 'ZEROCOPY_UNAVAILABLE' });
    expect(onWindows).toHaveProperty(
      'message',
      expect.stringMatching(/needs Linux .* or macOS .*, and this is win32 on/),
    );
    if (process.platform === 'linux') {
      expect(withoutKoffi).toMatchObject({
        isAvailable: false,
        code: 'ZEROCOPY_UNAVAILABLE',
        cause: 'MODULE_NOT_FOUND',
      });
      expect(withoutKoffi).toHaveProperty('message', expect.stringMatching(/"koffi".*could not be loaded: install it/));
    }
  });
});

describeOnLinux('a process', () => {
  it('may load the ESM and the CommonJS copy at once, which agree on errors', async () => {
    expect(await runFixture('two-copies.mjs')).toEqual({
      areTwo: true,
      values: [1, 2],
      pythonPaths: [true],
      esmErrorIsCjs: true,
      cjsErrorIsEsm: true,
      plainErrorIsNone: false,
      nullIsNone: false,
      errorIsSpecial: false,
      stackBegins: 'ZeroCopyError',
      ownKeys: ['code'],
    });
  });

  it('gets an error when its descriptors are used up, and can go on after a close', async () => {
    const result = await runFixture('used-up.mjs', { limit: '-n 64' });
    expect(result).toMatchObject({ code: 'ZEROCOPY_NO_SPACE', cause: 'EMFILE' });
    expect(result['made']).toBeGreaterThan(10);
  });

  it('gets an error, and no signal, for a segment beyond its limit of file sizes', async () => {
    const result = await runFixture('used-up.mjs', { limit: '-f 1000', env: { BYTE_LENGTH: '10000000' } });
    expect(result).toMatchObject({ made: 0, code: 'ZEROCOPY_NO_SPACE', cause: 'EFBIG' });
  });

  it('frees a segment that was dropped without a close, and keeps one whose view is still used', async () => {
    const hasTransfer = 'transfer' in ArrayBuffer.prototype;
    expect(await runFixture('collected.mjs', { nodeOptions: ['--expose-gc'] })).toEqual({
      droppedIsFreed: true,
      keptIsMapped: true,
      keptValue: 2,
      ...(hasTransfer && { transferCode: 'ZEROCOPY_UNAVAILABLE', movedIsHarmless: true }),
    });
  });
});
