/** Reads handwritten digits with scikit-learn, on two Python workers, one of which dies on the way. */
import { getRuntime, kw, py, WorkerCrashedError, type NDArray, type PyTuple } from '@hognose/runtime';
import { evaluate, parse_implicit, solve_implicit } from '@hognose/helpers-python/sympy';
import { load_digits } from '#py/sklearn/datasets';
import { LogisticRegression } from '#py/sklearn/linear_model';

type Digits = PyTuple<[images: NDArray<'float64'>, labels: NDArray<'int64'>]>;

const TRAINED = 1_297;
const BATCH = 50;

// Two arrays of NumPy. The images are the memory that NumPy has put them into, and what is sent back is a part of it.
const [images, labels] = await load_digits<Digits>(kw({ return_X_y: true }));
console.log(
  `${images.shape.join(' x ')} pixels (${images.dtype}) arrived from Python ${images.copied ? `as a copy (${String(images.copyReason)})` : 'without a copy'}; the first image:`,
);
const first = images.slice(0).toTypedArray();
for (let row = 0; row < 8; row += 1) {
  const pixels = first.subarray(row * 8, row * 8 + 8);
  console.log(`    ${Array.from(pixels, (pixel) => ' .:-=+*#%@'.charAt(Math.floor(pixel / 1.7)).repeat(2)).join('')}`);
}

// A class of scikit-learn, through its generated wrapper. The model lives in Python; this is a handle of it.
const model = await LogisticRegression(kw({ C: 0.05, max_iter: 1_000 }));
await model.fit(images.slice([0, TRAINED]), labels.slice([0, TRAINED]));
console.log(`\nfitted a ${model.$type.split('.').at(-1) ?? ''} on ${TRAINED} images`);

// As bytes it can travel to any worker.
const pickled = await py<Uint8Array>`
  import pickle
  return pickle.dumps(${model})
`;

const runtime = await getRuntime();
await runtime.ready();
const before = pids();
const started = performance.now();
const batches = Array.from({ length: (labels.size - TRAINED) / BATCH }, (_, index) => TRAINED + index * BATCH);
const [crash, ...answers] = await Promise.all([
  py`
    import ctypes, faulthandler
    faulthandler.disable()  # its report would stand in the middle of this output
    ctypes.string_at(0)  # reads address 0: a segmentation fault
  `.catch((error: unknown) => error),
  ...batches.map(predict),
]);
const correct = answers.reduce((sum, answer) => sum + answer, 0);
const total = batches.length * BATCH;

console.log(`\npredicted ${total} images in ${batches.length} batches on ${before.length} workers at once`);
if (!(crash instanceof WorkerCrashedError))
  throw new Error('the worker survived a segmentation fault', { cause: crash });
console.log(`    meanwhile a call killed its worker: ${crash.name}, signal ${String(crash.signal)}`);
console.log(
  `    the other ${batches.length} calls were answered all the same, in ${Math.round(performance.now() - started)} ms`,
);
await runtime.ready();
const fresh = pids().filter((pid) => !before.includes(pid));
console.log(
  `    ${fresh.length} of ${pids().length} workers is new; this process (${process.pid}) never noticed more than that`,
);
console.log(`accuracy: ${((100 * correct) / total).toFixed(1)} % (${correct} of ${total})`);

// A helper pack: SymPy reads a formula as people write it.
const equation = '2x^2 - 8x + 6 = 0';
const solutions = await Promise.all((await solve_implicit(equation, 'x')).map((solution) => evaluate(solution)));
console.log(`\nSymPy: ${equation} holds for x = ${solutions.join(' and x = ')}`);
console.log(`SymPy: 2x at x = 21 is ${await evaluate(parse_implicit('2x'), { x: 21 })}`);

// Inline Python: values are bound, never spliced into the source.
const darkest = await py<number>`
  import numpy as np
  ink = ${images}.sum(axis=1)
  return ${labels}[np.argmax(ink)]
`;
console.log(`inline Python: the image with the most ink shows a ${darkest}`);

await runtime.close();

/** How many images of the batch at `start` any worker reads right. */
async function predict(start: number): Promise<number> {
  const batch = images.slice([start, start + BATCH]);
  const guesses = await py<NDArray<'int64'>>`
    import pickle
    return pickle.loads(${pickled}).predict(${batch})
  `;
  return guesses.data.reduce((sum, guess, index) => sum + (guess === labels.data[start + index] ? 1 : 0), 0);
}

function pids(): readonly number[] {
  return runtime.stats().workers.map(({ pid }) => pid);
}
