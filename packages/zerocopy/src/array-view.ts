import { inspect } from 'node:util';
import type { ArrayMemory, CopyReason } from './array-memory.js';
import { copyInOrder } from './copy-in-order.js';
import {
  type ArrayOf,
  type DType,
  type ElementOf,
  type TypedArray,
  componentsOf,
  constructorOf,
  itemSizeOf,
} from './dtype.js';
import { ELEMENTS, type Element } from './elements.js';
import { NDARRAY, type NDArray, type Nested } from './ndarray.js';
import { type Range, selectRanges } from './slice.js';
import { type Geometry, type Span, checkShape, isContiguous, reshapedStrides, sizeOf, spanOf } from './strides.js';

/** Where an array's memory comes from, known without opening it. @internal */
export interface ArrayOrigin {
  /** Who lends the memory, as whoever made the array has said. */
  readonly source: unknown;
  /** Whether the memory was opened. */
  readonly isOpen: boolean;
  /** Where the lowest element of this view begins, in bytes from the start of the memory that the array was made of. */
  readonly byteOffset: number;
  /** From there to the end of the highest element. */
  readonly byteLength: number;
}

/** An {@link NDArray}: a geometry over memory that other views share. */
export class ArrayView<D extends DType = DType> implements NDArray<D> {
  declare readonly [NDARRAY]: true;
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly #geometry: Geometry;
  readonly #memory: ArrayMemory;
  readonly #span: Span;
  readonly #isContiguous: boolean;
  #window: TypedArray | undefined;

  constructor(dtype: D, memory: ArrayMemory, geometry: Geometry) {
    this.dtype = dtype;
    this.shape = geometry.shape;
    this.#geometry = geometry;
    this.#memory = memory;
    this.#span = spanOf(geometry.shape, geometry.strides);
    this.#isContiguous = isContiguous(geometry.shape, geometry.strides);
    Object.defineProperties(this, this.#isContiguous ? OWN_WHEN_CONTIGUOUS : OWN_WHEN_STRIDED);
  }

  get strides(): readonly number[] {
    return this.#geometry.strides;
  }

  get ndim(): number {
    return this.shape.length;
  }

  get size(): number {
    return sizeOf(this.shape);
  }

  get itemSize(): number {
    return itemSizeOf(this.dtype);
  }

  get byteLength(): number {
    return this.size * this.itemSize;
  }

  get isContiguous(): boolean {
    return this.#isContiguous;
  }

  get data(): ArrayOf<D> {
    this.#memory.assertHeld();
    if (!this.isContiguous) {
      throw new TypeError(
        `the elements of this array of shape [${this.shape.join(', ')}] and strides [${this.strides.join(', ')}] do not follow each other: ` +
          'use toTypedArray() for a copy in C order, or memory, strides and offset',
      );
    }
    return this.memory;
  }

  get memory(): ArrayOf<D> {
    const { items } = this.#memory;
    this.#window ??= this.#windowOf(items);
    return this.#window as ArrayOf<D>;
  }

  get offset(): number {
    return this.#span.before;
  }

  get isReadOnly(): boolean {
    return this.#memory.facts.isReadOnly;
  }

  get isShared(): boolean {
    return this.#memory.facts.isShared;
  }

  get copied(): boolean {
    return this.copyReason !== undefined;
  }

  get copyReason(): CopyReason | undefined {
    return this.#memory.facts.copyReason;
  }

  at(...indices: readonly number[]): ElementOf<D> {
    const { items } = this.#memory;
    return this.#read(items, this.#indexOf(indices));
  }

  set(value: ElementOf<D>, ...indices: readonly number[]): void {
    const { items } = this.#memory;
    if (this.isReadOnly) {
      throw new TypeError('the array is read-only, because others read its memory too: change a copy, toTypedArray()');
    }
    ELEMENTS[this.dtype].set(items, this.#indexOf(indices), value);
  }

  reshape(...shape: readonly number[] | readonly [readonly number[]]): this {
    const wished: readonly unknown[] = Array.isArray(shape[0]) ? shape[0] : shape;
    const extents = this.#resolveShape(wished);
    const strides = reshapedStrides(this.#geometry, extents);
    if (strides === undefined) {
      throw new TypeError(
        `an array of shape [${this.shape.join(', ')}] and strides [${this.strides.join(', ')}] has no view of shape ` +
          `[${extents.join(', ')}]: copy it first, ndarray(array.toTypedArray(), shape, array.dtype)`,
      );
    }
    return this.#derive({ shape: extents, strides, start: this.#geometry.start });
  }

  slice(...ranges: readonly Range[]): this {
    return this.#derive(selectRanges(this.#geometry, ranges));
  }

  transpose(axes?: readonly number[]): this {
    const { shape, strides, start } = this.#geometry;
    const order = axes ?? shape.map((_, axis) => shape.length - 1 - axis);
    const named = new Set(order.filter((axis) => Number.isInteger(axis) && axis >= 0 && axis < shape.length));
    if (order.length !== shape.length || named.size !== shape.length) {
      throw new RangeError(
        `transpose: axes [${order.join(', ')}] must name each axis of shape [${shape.join(', ')}] once, counted from 0`,
      );
    }
    const pick = (numbers: readonly number[]): readonly number[] =>
      Object.freeze(order.map((axis) => numbers[axis] ?? 0));
    return this.#derive({ shape: pick(shape), strides: pick(strides), start });
  }

  toTypedArray(): ArrayOf<D> {
    const { memory } = this;
    const constructor = constructorOf(this.dtype);
    const copy = new constructor(this.size * componentsOf(this.dtype));
    // Both are typed arrays of one kind.
    if (this.isContiguous) (copy as Uint8Array).set(memory as Uint8Array);
    else copyInOrder(memory, { ...this.#geometry, start: this.offset }, copy, this.itemSize);
    return copy;
  }

  toArray(): Nested<ElementOf<D>> {
    const { items } = this.#memory;
    const { shape, strides } = this.#geometry;
    const nested = (axis: number, index: number): Nested<ElementOf<D>> =>
      axis === shape.length
        ? this.#read(items, index)
        : Array.from({ length: shape[axis] ?? 0 }, (_, i) => nested(axis + 1, index + i * (strides[axis] ?? 0)));
    return nested(0, this.#geometry.start);
  }

  $release(): void {
    this.#memory.release();
  }

  [Symbol.dispose](): void {
    this.#memory.release();
  }

  /** Never opens memory, and never throws: this runs in debuggers and in messages of errors. */
  [inspect.custom](): string {
    const head = `NDArray<${this.dtype}>(${this.shape.join(' x ')})`;
    if (this.#memory.state !== 'open') return `${head} [ ${this.#memory.state} ]`;
    const shown = Array.from({ length: Math.min(this.size, SHOWN) }, (_, index) => this.#show(index)).join(', ');
    return `${head} [ ${shown}${this.size > SHOWN ? ', …' : ''} ]`;
  }

  /** See `originOf`. */
  get origin(): ArrayOrigin {
    this.#memory.assertHeld();
    const { before, length } = this.#span;
    return {
      source: this.#memory.source,
      isOpen: this.#memory.state === 'open',
      // An array without elements has no place.
      byteOffset: length === 0 ? 0 : this.#memory.from + (this.#geometry.start - before) * this.itemSize,
      byteLength: length * this.itemSize,
    };
  }

  /** A view of other elements of the same memory. */
  #derive(geometry: Geometry): this {
    return this.derive(this.#memory, geometry) as this;
  }

  /** Makes a view of the same class. */
  protected derive(memory: ArrayMemory, geometry: Geometry): ArrayView<D> {
    return new ArrayView(this.dtype, memory, geometry);
  }

  #read(items: TypedArray, index: number): ElementOf<D> {
    return ELEMENTS[this.dtype].get(items, index) as ElementOf<D>;
  }

  #windowOf(items: TypedArray): TypedArray {
    const components = componentsOf(this.dtype);
    const from = (this.#geometry.start - this.#span.before) * components;
    const length = this.#span.length * components;
    if (length === items.length) return items;
    return length === 0 ? items.subarray(0, 0) : items.subarray(from, from + length);
  }

  #indexOf(indices: readonly number[]): number {
    const { shape, strides, start } = this.#geometry;
    if (indices.length !== shape.length) {
      throw new RangeError(
        `an element of an array of shape [${shape.join(', ')}] has ${shape.length} indices, and ${indices.length} are given`,
      );
    }
    let index = start;
    for (let axis = 0; axis < shape.length; axis++) {
      const extent = shape[axis] ?? 0;
      const given = indices[axis] ?? NaN;
      if (!Number.isInteger(given) || given < -extent || given >= extent) {
        throw new RangeError(`index ${String(given)} is out of range for axis ${axis} of shape [${shape.join(', ')}]`);
      }
      index += (given < 0 ? given + extent : given) * (strides[axis] ?? 0);
    }
    return index;
  }

  #resolveShape(wished: readonly unknown[]): readonly number[] {
    const size = this.size;
    const known = wished.filter((extent) => extent !== -1);
    const product = known.reduce<number>((total, extent) => total * Number(extent), 1);
    const left = size / product;
    const shape = wished.map((extent) => (extent === -1 ? left : extent));
    const isShape = shape.every((extent) => Number.isSafeInteger(extent) && (extent as number) >= 0);
    if (wished.length - known.length > 1 || !isShape || sizeOf(shape as number[]) !== size) {
      throw new RangeError(
        `reshape: an array of ${size} elements, shape [${this.shape.join(', ')}], cannot have shape [${wished.map(String).join(', ')}]`,
      );
    }
    return checkShape(shape);
  }

  #show(position: number): string {
    let rest = position;
    let index = this.#geometry.start;
    for (let axis = this.ndim - 1; axis >= 0; axis--) {
      const extent = this.shape[axis] ?? 1;
      index += (rest % extent) * (this.strides[axis] ?? 0);
      rest = Math.floor(rest / extent);
    }
    const element: Element = this.#read(this.#memory.items, index);
    return typeof element === 'object' ? `${element.re}${element.im < 0 ? '' : '+'}${element.im}i` : String(element);
  }
}

/** How many elements an inspected array shows. */
const SHOWN = 6;

// The brand is on the prototype, where it does not show and another copy's arrays have it too.
Object.defineProperty(ArrayView.prototype, NDARRAY, { value: true });

// Besides dtype and shape, what makes two arrays equal must be an array's own and enumerable: comparing anything less, test libraries would
// take two arrays with other elements for equal. Getters, since memory may be released, or not be open.
const own = (...names: readonly (keyof NDArray)[]): PropertyDescriptorMap =>
  Object.fromEntries(
    names.map((name) => [name, { ...Object.getOwnPropertyDescriptor(ArrayView.prototype, name), enumerable: true }]),
  );
const OWN_WHEN_CONTIGUOUS = own('data');
const OWN_WHEN_STRIDED = own('strides', 'offset', 'memory');
