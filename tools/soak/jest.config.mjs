import { preset } from '../workspace/jest-preset.mjs';

export default preset('@hognose-tools/soak');
