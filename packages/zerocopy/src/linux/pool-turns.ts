/** How many threads of libuv's pool, which has four, are used at once: the others are left to files, DNS and the program itself. */
const AT_ONCE = 3;

const waiting: (() => void)[] = [];
let running = 0;

/**
 * Makes an asynchronous call of koffi wait for its turn. Besides, koffi refuses more than 256 at once.
 *
 * @param call - Takes what the C function takes, and a callback after it.
 */
export function inTurn<Arguments extends unknown[], Result>(
  call: (...args: [...Arguments, callback: (error: Error | null, result: Result) => void]) => void,
): (...args: Arguments) => Promise<Result> {
  return async (...args) => {
    if (running >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await new Promise<Result>((resolve, reject) => {
        call(...args, (error: Error | null, result: Result) => {
          if (error === null) resolve(result);
          else reject(error);
        });
      });
    } finally {
      // Whoever is next takes this one's place.
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  };
}
