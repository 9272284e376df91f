/** What the library's entry loads when a command is first called: ESM only, since some of what it uses is. */
export { add } from './commands/add.js';
export { generate } from './commands/generate.js';
export { init } from './commands/init.js';
export { syncEnvironment } from './commands/sync.js';
