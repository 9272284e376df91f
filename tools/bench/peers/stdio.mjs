/** JSON lines over stdin and stdout: what people write by hand. */
import { end, startScript } from './python-process.mjs';

export const stdio = {
  async start() {
    const { child, ended } = startScript('json_lines.py');
    const waiting = new Map();
    let lastId = 0;
    let rest = '';
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        const { id, result } = JSON.parse(line);
        waiting.get(id)(result);
        waiting.delete(id);
      }
    });
    const call = (a, b) =>
      new Promise((resolve) => {
        const id = ++lastId;
        waiting.set(id, resolve);
        child.stdin.write(`${JSON.stringify({ id, args: [a, b] })}\n`);
      });
    await Promise.race([call(1, 2), ended]);
    return { pids: () => [child.pid], call, close: () => end(child) };
  },
};
