import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createSegment, pythonPath } from '@hognose/zerocopy';

const segment = createSegment({ byteLength: 8_000_000 });
const samples = segment.array('float64', { shape: [1000, 1000] });
samples.data.fill(1.5);

const description = JSON.stringify(samples.describe());
const python = spawn(process.env.HOGNOSE_PYTHON ?? 'python3', ['double.py', description], {
  cwd: import.meta.dirname,
  stdio: ['ignore', 'inherit', 'inherit', segment.fd], // Python's file descriptor 3
  env: { ...process.env, PYTHONPATH: pythonPath },
});
const [exitCode] = await once(python, 'exit');

console.log(`exit code ${exitCode}, first sample ${samples.data[0]}`);
segment.close();
