import { ndarray } from '@hognose/zerocopy';

const table = ndarray(Float64Array.of(0, 1, 2, 3, 4, 5), [2, 3]);
console.log(table.at(1, -1)); //                             table[1, -1]
console.log(table.slice(1).data); //                         table[1]
console.log(table.slice(null, [1, 3]).toArray()); //         table[:, 1:3]
console.log(table.slice([null, null, -1], 0).toArray()); //  table[::-1, 0]

const turned = table.transpose();
turned.set(50, 2, 1); // the same memory
console.log(table.data, turned.isContiguous, turned.toTypedArray());

const half = ndarray(new Uint16Array(2), [2], 'float16');
half.set(1 / 3, 0);
console.log(half.at(0), half.data);

const complex = ndarray(Float32Array.of(1, 2, 3, -4), [2], 'complex64');
console.log(complex.at(1), complex.slice([null, null, -1]));

turned.$release();
try {
  table.at(0, 0);
} catch (error) {
  console.log(error.code);
}
