import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';

/**
 * Loads koffi, which takes some 10 ms: at first use only.
 *
 * @throws What `require` throws where koffi or its prebuilt binary is missing.
 */
export function loadKoffi(): typeof Koffi {
  return createRequire(import.meta.url)('koffi') as typeof Koffi;
}
