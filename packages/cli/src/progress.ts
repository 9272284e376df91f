import ora, { type Ora } from 'ora';

/**
 * Hears what a command is doing. Each method is called with one line of plain text.
 *
 * @public
 */
export interface Progress {
  /** A step that may take a while begins; it ends the one before. */
  step(text: string): void;
  /** What the current step is at: a package that is being downloaded. */
  detail(text: string): void;
  /** Something worth knowing that stops nothing. */
  note(text: string): void;
  /** The current step is over; `text` replaces its line. */
  done(text?: string): void;
  /** The current step failed; the error itself follows from the command. */
  failed(): void;
}

/** Says nothing: the default of the programmatic commands. */
export const silent: Progress = {
  step: () => undefined,
  detail: () => undefined,
  note: () => undefined,
  done: () => undefined,
  failed: () => undefined,
};

/** Progress on standard error: one moving line in a terminal, plain lines elsewhere. */
export function terminalProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  // A log keeps every line: a spinner's frames would fill it, so there each step is one plain line.
  // A terminal that tells no width (columns 0) makes ora count lines for ever.
  return stream.isTTY && stream.columns > 0 && process.env['CI'] === undefined
    ? spinnerProgress(stream)
    : plainProgress(stream);
}

function spinnerProgress(stream: NodeJS.WriteStream): Progress {
  let spinner: Ora | undefined;
  let title = '';
  const done = (text?: string): void => {
    spinner?.succeed(text ?? title);
    spinner = undefined;
  };
  return {
    step(text) {
      done();
      title = text;
      // Ctrl-C stays ours: the command puts the project back before it ends.
      spinner = ora({ text, stream, discardStdin: false, hideCursor: false }).start();
    },
    detail(text) {
      const room = Math.max(20, stream.columns - title.length - 6);
      if (spinner) spinner.text = `${title}: ${text.length > room ? `${text.slice(0, room - 1)}…` : text}`;
    },
    note(text) {
      done();
      stream.write(`note: ${text}\n`);
    },
    done,
    failed() {
      spinner?.fail(title);
      spinner = undefined;
    },
  };
}

function plainProgress(stream: NodeJS.WriteStream): Progress {
  return {
    step: (text) => void stream.write(`> ${text}\n`),
    detail: (text) => void stream.write(`  ${text}\n`),
    note: (text) => void stream.write(`note: ${text}\n`),
    done: () => undefined,
    failed: () => undefined,
  };
}
