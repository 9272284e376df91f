import { preset } from '../../tools/workspace/jest-preset.mjs';

export default preset('@hognose-examples/quickstart');
