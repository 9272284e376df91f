import { preset } from '../../tools/workspace/jest-preset.mjs';

// The tests wait for other processes most of the time: two files at once keep two cores busy.
export default { ...preset('@hognose/cli'), maxWorkers: 2 };
