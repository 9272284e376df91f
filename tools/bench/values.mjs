/** The values that are echoed: the same in every run, as a text's digits decide what it costs to parse. */

/** Numbers in [0, 1) from a seed (mulberry32). */
function randomNumbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const list = (length, make) => Array.from({ length }, (_, index) => make(index));

/** 100,000 floats. */
export function floats() {
  const random = randomNumbers(1);
  // Two draws fill all bits: one alone would print with few digits.
  return list(100_000, () => random() * 1e3 + random() * 1e-7);
}

/** 10,000 string keys. */
export function dict() {
  const random = randomNumbers(2);
  return Object.fromEntries(list(10_000, (index) => [`key_${index}`, Math.floor(random() * 1e6)]));
}

/** About 100 KB of JSON: objects in lists in objects, short texts, numbers of both kinds, null. */
export function nestedDocument() {
  const random = randomNumbers(3);
  return {
    title: 'orders',
    page: { number: 1, next: null },
    orders: list(225, (index) => ({
      id: index,
      customer: { name: `customer ${index % 40}`, address: { street: 'Main Street', number: index % 90, unit: null } },
      items: list(5, (item) => ({ sku: `sku-${index}-${item}`, quantity: item + 1, price: random() * 100 })),
      tags: ['new', 'gift', `tag ${index % 7}`],
      isPaid: index % 3 === 0,
    })),
  };
}

/** 10,000 records of 5 fields. */
export function rows() {
  const random = randomNumbers(4);
  return list(10_000, (index) => ({
    id: index,
    name: `name ${index}`,
    score: random() * 100,
    isActive: index % 2 === 0,
    group: index % 10,
  }));
}
