import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { memoryGroups } from '../../src/placement/control-groups.js';
import { OutOfMemoryWatch } from '../../src/placement/out-of-memory.js';
import { fakeKernels } from './fake-kernel.js';

const kernel = fakeKernels();

/** What a watch says at first, and after the action. */
function around(proc: string, action: () => void): readonly boolean[] {
  const watch = new OutOfMemoryWatch(proc);
  const first = watch.hasKilledSince();
  action();
  return [first, watch.hasKilledSince()];
}

describe('a kill for want of memory is told', () => {
  test('by the own group of version 2', () => {
    const fake = kernel();
    fake.mount('cgroup2');
    fake.join('0::/app.slice/web.service');
    const group = fake.group('/app.slice/web.service', {
      'memory.events': 'low 0\nmax 7\noom 5\noom_kill 3\noom_group_kill 9\n',
    });
    expect(around(fake.proc, () => undefined)).toEqual([false, false]);
    // `oom` counts wants, of which not all end in a kill.
    expect(
      around(fake.proc, () => {
        group('memory.events', 'oom 6\noom_kill 3\n');
      }),
    ).toEqual([false, false]);
    expect(
      around(fake.proc, () => {
        group('memory.events', 'oom 6\noom_kill 4\n');
      }),
    ).toEqual([false, true]);
  });

  test('by the group above, where the own has no controller of memory', () => {
    const fake = kernel();
    fake.mount('cgroup2');
    fake.join('0::/user.slice/one/two');
    fake.group('/user.slice/one/two', { 'cgroup.procs': '' });
    const group = fake.group('/user.slice', { 'memory.events': 'oom_kill 0\n' });
    expect(
      around(fake.proc, () => {
        group('memory.events', 'oom_kill 1\n');
      }),
    ).toEqual([false, true]);
  });

  test('by the own group of version 1, beside a unified hierarchy without memory', () => {
    const fake = kernel();
    fake.mount('cgroup2', { at: 'unified' });
    fake.mount('cgroup', { at: 'memory', options: 'rw,memory' });
    fake.mount('cgroup', { at: 'cpu', options: 'rw,cpu' });
    fake.join('4:memory:/docker/x', '1:cpu:/', '0::/');
    const group = fake.group(
      '/docker/x',
      { 'memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 0\n' },
      'memory',
    );
    expect(
      around(fake.proc, () => {
        group('memory.oom_control', 'under_oom 1\noom_kill 0\n');
      }),
    ).toEqual([false, false]);
    expect(
      around(fake.proc, () => {
        group('memory.oom_control', 'under_oom 0\noom_kill 2\n');
      }),
    ).toEqual([false, true]);
  });

  test('in a container that sees its own group as the whole hierarchy', () => {
    const fake = kernel();
    fake.mount('cgroup', { at: 'memory', options: 'rw,memory', root: '/docker/x' });
    fake.join('4:memory:/docker/x/inner');
    const group = fake.group('/inner', { 'memory.oom_control': 'oom_kill 0\n' }, 'memory');
    expect(
      around(fake.proc, () => {
        group('memory.oom_control', 'oom_kill 1\n');
      }),
    ).toEqual([false, true]);
  });

  test('by the count of the machine, where groups tell nothing', () => {
    const fake = kernel();
    fake.vmstat(5);
    expect(
      around(fake.proc, () => {
        fake.vmstat(5);
      }),
    ).toEqual([false, false]);
    expect(
      around(fake.proc, () => {
        fake.vmstat(6);
      }),
    ).toEqual([false, true]);
  });

  test('not by the count of the machine, where the own group tells that nothing was killed', () => {
    const fake = kernel();
    fake.vmstat(5);
    fake.mount('cgroup2');
    fake.join('0::/a');
    fake.group('/a', { 'memory.events': 'oom_kill 0\n' });
    expect(
      around(fake.proc, () => {
        fake.vmstat(6);
      }),
    ).toEqual([false, false]);
  });

  test('not by another group, where this process was moved', () => {
    const fake = kernel();
    fake.mount('cgroup2');
    fake.group('/a', { 'memory.events': 'oom_kill 0\n' });
    const other = fake.group('/b', { 'memory.events': 'oom_kill 8\n' });
    fake.join('0::/a');
    const watch = new OutOfMemoryWatch(fake.proc);
    fake.join('0::/b');
    expect(watch.hasKilledSince()).toBe(false);
    other('memory.events', 'oom_kill 9\n');
    expect(watch.hasKilledSince()).toBe(true);
  });

  test('of all that end by the same want, and not of one that ends later', () => {
    const fake = kernel();
    fake.vmstat(0);
    let now = 5000;
    const watch = new OutOfMemoryWatch(fake.proc, () => now);
    fake.vmstat(1);
    expect([watch.hasKilledSince(), watch.hasKilledSince()]).toEqual([true, true]);
    now = 5900;
    expect(watch.hasKilledSince()).toBe(true);
    now = 6100;
    expect(watch.hasKilledSince()).toBe(false);
  });

  test('by nothing, where the kernel does not count, and where its files are odd', () => {
    const fake = kernel();
    expect(
      around(fake.proc, () => {
        fake.vmstat(1);
      }),
    ).toEqual([false, false]);
    expect(around(join(fake.proc, 'none'), () => undefined)).toEqual([false, false]);
    writeFileSync(join(fake.proc, 'self', 'cgroup'), 'x\n0:\n::::\n0::/../..\n');
    writeFileSync(
      join(fake.proc, 'self', 'mountinfo'),
      '\n1 2 3\n - cgroup2\n1 2 0:1 /../x /tmp rw - cgroup2 none rw\n',
    );
    expect(memoryGroups(fake.proc)).toEqual([]);
    rmSync(fake.proc, { recursive: true });
    mkdirSync(fake.proc);
    expect(memoryGroups(fake.proc)).toEqual([]);
  });
});

(process.platform === 'linux' ? test : test.skip)(
  'this very machine is understood: its groups are directories, and nothing has just been killed',
  () => {
    for (const group of memoryGroups()) expect(group.directory.startsWith(group.mountPoint)).toBe(true);
    expect(new OutOfMemoryWatch().hasKilledSince()).toBe(false);
  },
);
