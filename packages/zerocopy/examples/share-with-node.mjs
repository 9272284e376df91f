import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createSegment } from '@hognose/zerocopy';

const segment = createSegment({ byteLength: 4096 });
const image = segment.array('float32', { shape: [4, 6] });
image.data.fill(1.5);

const child = fork('brighten.mjs', {
  cwd: import.meta.dirname,
  stdio: ['ignore', 'inherit', 'inherit', 'ipc', segment.fd], // the child's file descriptor 4
});
child.send(image.slice(null, [null, null, 2]).describe()); // every second column
await once(child, 'exit');

console.log(`first row ${image.slice(0).toArray().join(' ')}`);
segment.close();
