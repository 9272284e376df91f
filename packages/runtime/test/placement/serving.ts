/** `python -m hognose serve` in a process of its own, and certificates for it. */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { PYTHON, PYTHON_FIXTURES } from '../support.js';

const OWN_PYTHON = fileURLToPath(new URL('../../python/', import.meta.url));

export const TOKEN = '0123456789abcdef0123456789abcdef';

export interface Serving {
  readonly pid: number;
  /** `host:port`. */
  readonly address: string;
  /** What it has written to stderr so far. */
  readonly stderr: () => string;
  /** Ends it and its worker. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<void>;
}

/** Starts a supervisor; resolves when its worker listens. */
export async function serveWorker(...options: readonly string[]): Promise<Serving> {
  const listen = options.includes('--listen') ? [] : ['--listen', '127.0.0.1:0'];
  const child = spawn(PYTHON, ['-m', 'hognose', 'serve', ...listen, '--python-path', PYTHON_FIXTURES, ...options], {
    env: { ...process.env, PYTHONPATH: OWN_PYTHON },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise<void>((resolve) =>
    child.once('close', () => {
      resolve();
    }),
  );
  const address = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => {
      const match = /^listening on (.*)$/.exec(line);
      if (match?.[1] !== undefined) resolve(match[1]);
    });
    void ended.then(() => {
      reject(new Error(`serve has ended: ${stderr}`));
    });
  });
  return {
    pid: child.pid ?? 0,
    address,
    stderr: () => stderr,
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal);
      await ended;
    },
  };
}

/** A file that only this user may read. */
export function secretFile(directory: string, name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  chmodSync(path, 0o600);
  return path;
}

const ISSUE = `
import datetime, os, sys, trustme

def write(name, *pems):
    path = os.path.join(sys.argv[1], name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        file.write(b"".join(pem.bytes() for pem in pems))

def issue(authority, name, *identities, **when):
    issued = authority.issue_cert(*identities, **when)
    write(name + ".pem", *issued.cert_chain_pems)
    write(name + ".key", issued.private_key_pem)

authority, stranger = trustme.CA(), trustme.CA()
write("ca.pem", authority.cert_pem)
write("stranger-ca.pem", stranger.cert_pem)
issue(authority, "server", "127.0.0.1", "localhost")
issue(authority, "named", "worker.example")
long_ago = datetime.datetime(2020, 1, 1)
issue(authority, "expired", "127.0.0.1", not_before=long_ago, not_after=long_ago + datetime.timedelta(days=1))
issue(authority, "host", "host@example.org")
issue(stranger, "stranger", "host@example.org")
`;

/** Makes an authority and what it has signed; gives the path, and the content, of each file. */
export function issueCertificates(directory: string): {
  readonly path: (name: string) => string;
  readonly pem: (name: string) => Buffer;
} {
  execFileSync(PYTHON, ['-c', ISSUE, directory]);
  const path = (name: string): string => join(directory, name);
  return { path, pem: (name) => readFileSync(path(name)) };
}

/** Listens on a free port of the loopback; gives the address. */
export async function listenOn(server: Pick<Server, 'listen' | 'address'>): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('the server has no port');
  return `127.0.0.1:${bound.port}`;
}

/** An address where nobody listens. */
export async function closedAddress(): Promise<string> {
  const server = createServer();
  const address = await listenOn(server);
  await new Promise((resolve) => server.close(resolve));
  return address;
}
