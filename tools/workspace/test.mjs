/** `npm test`: prepares the clone, runs every test of every project and ends with one line of counts. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root, run } from './lib.mjs';
import { prepare } from './prepare.mjs';

/** Counts of all reports below a project's `.test-results/`. */
function countResults(project) {
  const folder = join(root, project, '.test-results');
  const counts = { passed: 0, failed: 0, skipped: 0 };
  if (!existsSync(folder)) return counts;
  for (const file of readdirSync(folder)) {
    const text = readFileSync(join(folder, file), 'utf8');
    if (file.endsWith('.json')) {
      const report = JSON.parse(text);
      counts.passed += report.numPassedTests;
      counts.failed += report.numFailedTests + report.numRuntimeErrorTestSuites;
      counts.skipped += report.numPendingTests + report.numTodoTests;
    } else {
      const number = (name) => Number(new RegExp(` ${name}="(\\d+)"`).exec(text)?.[1] ?? 0);
      const broken = number('failures') + number('errors');
      counts.failed += broken;
      counts.skipped += number('skipped');
      counts.passed += number('tests') - broken - number('skipped');
    }
  }
  return counts;
}

await prepare();
const status = await run('nx', ['run-many', '-t', 'test', '--output-style=static', ...process.argv.slice(2)]);

const total = { passed: 0, failed: 0, skipped: 0 };
for (const group of ['packages', 'tools', 'examples']) {
  for (const name of readdirSync(join(root, group))) {
    const counts = countResults(join(group, name));
    for (const key of Object.keys(total)) total[key] += counts[key];
  }
}
// A project whose runner died before it could report is a failure that no count shows.
if (status !== 0 && total.failed === 0) total.failed = 1;
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`);
process.exit(status === 0 && total.passed > 0 ? 0 : 1);
