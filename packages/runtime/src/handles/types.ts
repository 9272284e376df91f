/** What handles, pending results and wrappers look like to TypeScript. */

declare const TYPE: unique symbol;

/**
 * An object that lives in Python.
 *
 * Python's attributes are its properties: `await model.coef_`, `await model.fit(x, y)`. Reading one sends nothing;
 * calling or awaiting does. What Hognose adds begins with `$`, which no name of Python can. Keyword arguments are passed
 * by {@link kw}.
 *
 * The object is kept alive in its worker until the handle is released or collected, and is lost with its worker.
 *
 * @public
 */
export interface PyHandle<Name extends string = string> {
  /** Sets handles of different classes apart; not there at run time. */
  readonly [TYPE]?: Name;
  /** Qualified name of the object's class. */
  readonly $type: string;
  /** Reads an attribute whatever its name. */
  $get<R = unknown>(name: string): Pending<R>;
  /** Sets an attribute. */
  $set(name: string, value: unknown): Promise<void>;
  /** Indexes: `object[key]`. */
  $item<R = unknown>(key: unknown): Pending<R>;
  /** Calls the object itself. */
  $call<R = unknown>(...args: readonly unknown[]): Pending<R>;
  /** Python's `str(object)`. */
  $str(): Promise<string>;
  /** Python's `repr(object)`. */
  $repr(): Promise<string>;
  /** Python's `len(object)`. */
  $len(): Promise<number>;
  /** Gives the object up; using the handle afterwards is a HandleReleasedError. Twice is harmless. */
  $release(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * A result on its way: a promise, and where it is an object in Python, also that object's methods. A chain of them
 * travels as one message.
 *
 * @public
 */
export type Pending<T> = Promise<T> & PendingMembers<T>;

/** What of a handle can be used before it has arrived. @public */
export type PendingMembers<T> = [T] extends [PyHandle]
  ? Omit<T, '$type' | '$release' | typeof Symbol.asyncDispose | keyof Promise<unknown>>
  : unknown;

/**
 * A class of Python: callable, and itself a value that can be passed to Python, such as a dtype or an estimator.
 *
 * @public
 */
export interface PyClass<T> {
  /** What an instance is; not there at run time. */
  readonly [TYPE]?: T;
  /** Dotted path of the class. */
  readonly $name: string;
}
