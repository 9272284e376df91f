/** The directories that sockets stand in: made for this process alone, and removed also where it was killed. */
import { lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HognoseError } from '../errors.js';
import { isRunning } from '../placement/process-status.js';

/** `sun_path` holds 104 bytes on some systems, the final zero included; a socket's own name takes up to ten. */
const MAX_DIRECTORY_BYTES = 93;
/** Directories that one start looks at: a start must not take long because many were left. */
const MAX_LOOKED_AT = 64;

/**
 * Makes a directory that only this user may enter, named after this process.
 *
 * @throws {@link HognoseError} When there is no directory for temporary files.
 * @internal
 */
export function makeSocketDirectory(): string {
  const prefix = `hognose-${process.pid}-`;
  const fits = (base: string): boolean => Buffer.byteLength(join(base, `${prefix}XXXXXX`)) <= MAX_DIRECTORY_BYTES;
  const base = [tmpdir(), '/tmp'].find(fits) ?? tmpdir();
  let directory: string;
  try {
    directory = mkdtempSync(join(base, prefix));
  } catch (cause) {
    throw new HognoseError(
      'TEMPORARY_DIRECTORY',
      `no socket can be made in ${base}, the directory for temporary files (${(cause as Error).message}): create it, or ` +
        'let TMPDIR name one that this user may write to',
      { cause },
    );
  }
  try {
    assertPrivate(directory);
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
  return directory;
}

/**
 * Makes sure that only this user may enter a directory: a file system may not keep what it was told (of Windows, or mounted with
 * modes of its own), and access control lists that are inherited show in the mode.
 *
 * @throws {@link HognoseError} When others may enter it.
 * @internal
 */
export function assertPrivate(directory: string): void {
  if (process.geteuid === undefined) return; // Windows has no modes; nothing but a port is dialled there
  const status = lstatSync(directory);
  const mode = status.mode & 0o777;
  if (status.isDirectory() && status.uid === process.geteuid() && mode === 0o700) return;
  throw new HognoseError(
    'TEMPORARY_DIRECTORY',
    `${directory} should be a directory of mode 700 of user ${process.geteuid()}, and has mode ${mode.toString(8)} and belongs to ` +
      `user ${status.uid}, so that others could dial in: let TMPDIR name a directory on a file system that keeps modes and owners`,
  );
}

/** Removes what processes of this user have left that were killed. @internal */
export function removeAbandonedDirectories(): void {
  for (const base of new Set([tmpdir(), '/tmp'])) {
    let names: readonly string[];
    try {
      names = readdirSync(base).filter((name) => /^hognose-\d+-[A-Za-z0-9]{6}$/.test(name));
    } catch {
      continue; // there is none
    }
    for (const name of names.slice(0, MAX_LOOKED_AT)) {
      const directory = join(base, name);
      if (!isRunning(Number(name.split('-')[1])) && isOwn(directory)) removeUnlessServed(directory);
    }
  }
}

/** A process in another container has a number of its own: only a socket that refuses says that nobody is there. */
function removeUnlessServed(directory: string): void {
  const socket = connect(join(directory, 's'));
  socket.unref();
  socket.once('connect', () => socket.destroy());
  socket.once('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT') return;
    try {
      rmSync(directory, { recursive: true, force: true });
    } catch {
      // The next start tries again.
    }
  });
}

function isOwn(directory: string): boolean {
  try {
    const status = lstatSync(directory);
    return status.isDirectory() && (process.getuid === undefined || status.uid === process.getuid());
  } catch {
    return false; // removed meanwhile
  }
}
