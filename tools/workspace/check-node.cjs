// Refuses a Node.js that is too old, in one sentence. In the oldest syntax: a newer one would be a SyntaxError there.
'use strict';

var minimum = [20, 19, 0];
var version = process.versions.node.split('.').map(Number);
var isOld = false;
for (var index = 0; index < 3; index += 1) {
  if (version[index] === minimum[index]) continue;
  isOld = version[index] < minimum[index];
  break;
}
if (isOld) {
  console.error(
    'Hognose needs Node.js ' +
      minimum.join('.') +
      ' or newer, and this is ' +
      version.join('.') +
      ': install a newer one and run this again.',
  );
  process.exit(1);
}
