import { once } from 'node:events';
import { openSegment } from '@hognose/zerocopy';

const [description] = await once(process, 'message');
const segment = openSegment(4);
const columns = segment.array(description.dtype, description);
console.log(columns);
const [rows, width] = columns.shape;
for (let row = 0; row < rows; row++) {
  for (let column = 0; column < width; column++) columns.set(columns.at(row, column) * 10, row, column);
}
segment.close();
