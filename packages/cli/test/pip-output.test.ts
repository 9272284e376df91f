import { explainInstallation, explainResolution, lastError, progressOf } from '../src/environment/pip-output.js';

const missing = (name: string, versions = 'none'): string =>
  `ERROR: Could not find a version that satisfies the requirement ${name} (from versions: ${versions})\n` +
  `ERROR: No matching distribution found for ${name}\n`;

describe('explainResolution', () => {
  it('tells an unknown package from an index that cannot be reached', () => {
    expect(explainResolution(missing('nosuch'), ['nosuch'])).toContain("knows no package 'nosuch': check the spelling");
    const refused = `${missing('six')}Could not fetch URL http://x/six/: connection error: [Errno 111] Connection refused`;
    expect(explainResolution(refused, ['six'])).toMatch(
      /^the Python package index cannot be reached \(connection refused\)/u,
    );
    const noIndex = `${missing('six')}Ignoring indexes: https://example.org/simple`;
    expect(explainResolution(noIndex, ['six'])).toContain('pip is set to use no index');
  });

  it('keeps what is said of other packages apart', () => {
    const other =
      'ERROR: Ignored the following versions that require a different python version: 2.5.5 Requires-Python >=3.12\n';
    expect(explainResolution(other + missing('nosuch'), ['nosuch'])).toContain("knows no package 'nosuch'");
    expect(explainResolution(missing('new'), ['new'], other)).toContain('no version of new runs on this Python');
  });

  it('knows packages by the names of their modules', () => {
    expect(explainResolution(missing('cv2'), ['cv2'])).toContain('run `hognose add opencv-python`');
    expect(explainResolution(missing('sklearn.svm'), ['sklearn.svm'])).toContain(
      'run `hognose add scikit-learn --modules sklearn.svm`',
    );
  });

  it('names the versions that there are', () => {
    expect(explainResolution(missing('attrs==99', '24.1.0, 24.2.0'), ['attrs==99'])).toBe(
      'no version of attrs fits attrs==99; the newest that this Python can use: 24.2.0, 24.1.0',
    );
  });

  it('lists the requirements that exclude each other', () => {
    const output =
      'ERROR: Cannot install pluggy<1 and pytest==8.0.0 because these package versions have conflicting dependencies.\n\n' +
      'The conflict is caused by:\n    The user requested pluggy<1\n    pytest 8.0.0 depends on pluggy>=1.3.0\n\nTo fix this\n';
    expect(explainResolution(output, [])).toBe(
      'these versions exclude each other; loosen one of them:\n  - The user requested pluggy<1\n  - pytest 8.0.0 depends on pluggy>=1.3.0',
    );
  });
});

describe('explainInstallation', () => {
  it('says that a lock of another platform has other artifacts', () => {
    const output = 'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.';
    expect(explainInstallation(output, 'plan9-mips')).toContain('made by pip on plan9-mips');
    expect(explainInstallation(output, 'any')).toContain('serves other files than python/requirements.lock names');
  });
});

describe('what is shown of a tool', () => {
  it('never holds a password', () => {
    expect(lastError('error: Failed to fetch: https://user:secret@example.org/simple')).not.toContain('secret');
  });

  it('is short while packages are downloaded', () => {
    expect(progressOf('Downloading msgpack-1.2.4-cp311-cp311-manylinux2014_x86_64.whl (480 kB)')).toBe(
      'Downloading msgpack 1.2.4 (480 kB)',
    );
    expect(progressOf('Requirement already satisfied: six')).toBeUndefined();
  });
});
