import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MemoryCgroups } from '../../src/placement/memory-cgroup.js';
import { fakeKernels, type FakeKernel } from './fake-kernel.js';

// Directories that look like a hierarchy: the kernel's own answers to these steps are not seen here.

const BASE = { 'cgroup.type': 'domain\n', 'cgroup.subtree_control': 'cpu memory pids\n', 'cgroup.procs': '' };
const OWN = {
  'cgroup.type': 'domain\n',
  'memory.max': 'max\n',
  'pids.max': 'max\n',
  'cpu.max': 'max 100000\n',
  'cpuset.cpus': '\n',
};
/** A pid that no process has: the kernel's highest is 2^22. */
const NO_PID = 4_194_305;

const kernel = fakeKernels();

interface Machine {
  readonly fake: FakeKernel;
  readonly mountPoint: string;
}

/** A machine on which this process is in the group `main` of a subtree that is its service's to use. */
function machine(base: Readonly<Record<string, string>> = BASE, own: Readonly<Record<string, string>> = OWN): Machine {
  const fake = kernel();
  const mountPoint = fake.mount('cgroup2');
  fake.group('/web.service', base);
  fake.group('/web.service/main', own);
  fake.join('0::/web.service/main');
  return { fake, mountPoint };
}

const groupsIn = (path: string): readonly string[] =>
  readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name.startsWith('hognose-'))
    .map((entry) => entry.name);

/** A real hierarchy's directories go with their files. */
function empty(group: string): void {
  for (const name of readdirSync(group)) rmSync(join(group, name));
}

describe('where groups can be made', () => {
  test('a worker gets one beside its host, with its limit, and no swap', () => {
    const { fake, mountPoint } = machine();
    const group = MemoryCgroups.find(fake.proc)?.limit(4711, 12, 2 ** 30 + 0.5);
    expect(group?.oomKills()).toBe(0);
    const path = join(mountPoint, 'web.service', `hognose-${process.pid}-12`);
    const text = (file: string): string => readFileSync(join(path, file), 'utf8');
    expect(['memory.max', 'memory.swap.max', 'memory.oom.group', 'cgroup.procs'].map(text)).toEqual([
      '1073741824',
      '0',
      '1',
      '4711',
    ]);
  });

  test('its kills are counted, also when the group is gone, and it is removed', () => {
    const { fake, mountPoint } = machine();
    const groups = MemoryCgroups.find(fake.proc);
    const group = groups?.limit(4711, 1, 1000);
    const path = join(mountPoint, 'web.service', `hognose-${process.pid}-1`);
    writeFileSync(join(path, 'memory.events'), 'oom 4\noom_kill 2\n');
    group?.remove();
    // As with processes in it: it stays, and goes when they have.
    expect([existsSync(path), group?.oomKills()]).toEqual([true, 2]);
    empty(path);
    groups?.close();
    expect([existsSync(path), group?.oomKills()]).toEqual([false, 2]);
    group?.remove(); // harmless
    expect(groupsIn(join(mountPoint, 'web.service'))).toEqual([]);
  });

  test('what stayed is removed when the next worker gets its own', () => {
    const { fake, mountPoint } = machine();
    const groups = MemoryCgroups.find(fake.proc);
    groups?.limit(4711, 1, 1000)?.remove();
    empty(join(mountPoint, 'web.service', `hognose-${process.pid}-1`));
    groups?.limit(4712, 2, 1000);
    expect(groupsIn(join(mountPoint, 'web.service'))).toEqual([`hognose-${process.pid}-2`]);
  });

  test('the groups of dead processes are removed, and nothing else', () => {
    const { fake, mountPoint } = machine();
    const base = join(mountPoint, 'web.service');
    const names = [`hognose-${NO_PID}-1`, `hognose-${NO_PID}-2`, `hognose-${process.pid}-1`, 'hognose-x-1', 'other'];
    for (const name of names) mkdirSync(join(base, name));
    writeFileSync(join(base, `hognose-${NO_PID}-2`, 'cgroup.procs'), ''); // as if something were in it
    expect(MemoryCgroups.find(fake.proc)).toBeDefined();
    const kept = [`hognose-${NO_PID}-2`, `hognose-${process.pid}-1`, 'hognose-x-1', 'main', 'other'];
    expect(kept.map((name) => existsSync(join(base, name)))).toEqual(kept.map(() => true));
    expect(existsSync(join(base, `hognose-${NO_PID}-1`))).toBe(false);
  });

  test('one that an earlier process of the same pid has left is made anew; one in use is not taken', () => {
    const { fake, mountPoint } = machine();
    const groups = MemoryCgroups.find(fake.proc);
    const path = join(mountPoint, 'web.service', `hognose-${process.pid}-3`);
    mkdirSync(path);
    expect(groups?.limit(4711, 3, 1000)).toBeDefined();
    expect(groups?.limit(4712, 3, 1000)).toBeUndefined();
    expect(readFileSync(join(path, 'cgroup.procs'), 'utf8')).toBe('4711');
  });

  test('a process in the true root may have groups below it', () => {
    const fake = kernel();
    const mountPoint = fake.mount('cgroup2');
    fake.group('/', { 'cgroup.subtree_control': 'memory\n', 'cgroup.procs': '' });
    fake.join('0::/');
    MemoryCgroups.find(fake.proc)?.limit(4711, 1, 1000);
    expect(groupsIn(mountPoint)).toEqual([`hognose-${process.pid}-1`]);
  });
});

describe('no groups are made', () => {
  const find = ({ fake }: Machine): MemoryCgroups | undefined => MemoryCgroups.find(fake.proc);
  const without = (file: string): Readonly<Record<string, string>> =>
    Object.fromEntries(Object.entries(BASE).filter(([name]) => name !== file));

  test('where the kernel tells of no groups, or of version 1 alone', () => {
    const fake = kernel();
    expect(MemoryCgroups.find(fake.proc)).toBeUndefined();
    fake.mount('cgroup', { options: 'rw,memory' });
    fake.group('/a/b', OWN);
    fake.group('/a', BASE);
    fake.join('4:memory:/a/b');
    expect(MemoryCgroups.find(fake.proc)).toBeUndefined();
  });

  test.each<[string, Readonly<Record<string, string>>]>([
    ['does not hand memory on', { ...BASE, 'cgroup.subtree_control': 'cpu pids\n' }],
    ['hands nothing on', { ...BASE, 'cgroup.subtree_control': '\n' }],
    ['does not say what it hands on', without('cgroup.subtree_control')],
    ['is of threads', { ...BASE, 'cgroup.type': 'domain threaded\n' }],
    ['cannot be moved within', without('cgroup.procs')],
  ])('where the group above %s', (_, base) => {
    expect(find(machine(base))).toBeUndefined();
  });

  test.each([
    ['memory.max', '1073741824'],
    ['memory.high', '1'],
    ['pids.max', '100'],
    ['cpu.max', '50000 100000'],
    ['cpuset.cpus', '0-1'],
    ['io.max', '8:0 rbps=1'],
  ])('where %s limits this process, which the workers would escape', (file, text) => {
    expect(find(machine(BASE, { ...OWN, [file]: `${text}\n` }))).toBeUndefined();
    expect(find(machine(BASE, { ...OWN, [`${file}.other`]: `${text}\n` }))).toBeDefined();
  });

  test.each(['web.service', 'run-4.scope', 'app.slice'])('beside %s, since the group above is for systemd', (name) => {
    const { fake } = machine();
    fake.group(`/${name}`, OWN);
    fake.group('/', BASE);
    fake.join(`0::/${name}`);
    expect(MemoryCgroups.find(fake.proc)).toBeUndefined();
  });

  test('in a container, whose root has processes as any other group does', () => {
    const fake = kernel();
    fake.mount('cgroup2');
    fake.group('/', { ...BASE, ...OWN });
    fake.join('0::/');
    expect(MemoryCgroups.find(fake.proc)).toBeUndefined();
  });

  (process.geteuid?.() === 0 ? test.skip : test)('where the user may not write (skipped for root, who may)', () => {
    const { fake, mountPoint } = machine();
    chmodSync(join(mountPoint, 'web.service', 'cgroup.procs'), 0o400);
    expect(MemoryCgroups.find(fake.proc)).toBeUndefined();
  });
});

describe('when the kernel refuses a step', () => {
  // A path may have 4095 bytes: with a base so long, that of the group fits, and that of the file does not.
  (process.platform === 'linux' ? test : test.skip).each([
    ['memory.max', 4060, []],
    ['cgroup.procs', 4056, ['memory.max']],
  ])('writing %s, nothing is left of the group', (_, length, written) => {
    const fake = kernel();
    const mountPoint = fake.mount('cgroup2');
    const rest = length - Buffer.byteLength(mountPoint);
    const path =
      `/${'x'.repeat(199)}`.repeat(Math.floor(rest / 200) - 1) + `/${'x'.repeat((rest % 200) + 99)}/${'x'.repeat(99)}`;
    fake.group(path, BASE);
    fake.group(`${path}/main`, {});
    fake.join(`0::${path}/main`);
    const base = mountPoint + path;
    const groups = MemoryCgroups.find(fake.proc);
    const epoch = Number('1'.repeat(27 - `hognose-${process.pid}-`.length));
    const group = join(base, `hognose-${process.pid}-${epoch}`);
    expect([base, group].map((text) => Buffer.byteLength(text))).toEqual([length, length + 28]);
    expect(groups?.limit(4711, epoch, 1000)).toBeUndefined();
    // A real one would be gone by now, with its files.
    expect(existsSync(group) ? readdirSync(group) : []).toEqual(written);
    if (written.length > 0) empty(group);
    groups?.close();
    expect(groupsIn(base)).toEqual([]);
  });

  test.each([0, -1, Number.NaN])('pid %p moves nobody, least of all this process', (pid) => {
    const { fake, mountPoint } = machine();
    expect(MemoryCgroups.find(fake.proc)?.limit(pid, 1, 1000)).toBeUndefined();
    expect(groupsIn(join(mountPoint, 'web.service'))).toEqual([]);
  });

  test('making a group, there is none', () => {
    const { fake, mountPoint } = machine();
    const groups = MemoryCgroups.find(fake.proc);
    rmSync(join(mountPoint, 'web.service'), { recursive: true });
    expect(groups?.limit(4711, 1, 1000)).toBeUndefined();
    expect(existsSync(join(mountPoint, 'web.service'))).toBe(false);
  });
});
