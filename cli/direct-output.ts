// Writes to an output without Node's stream for it, which takes longer to be made than a list has. Each write waits for its reader, and
// no signal is heard meanwhile: for what ends at a signal, and writes little.
import { writeSync } from 'node:fs';
import type { OutputStream } from './output.ts';

const fd = 1;

/** Standard output, where it is no terminal. */
export function directOutput(): OutputStream {
  let stream: NodeJS.WritableStream | undefined;
  return {
    fd,
    on() {}, // each write tells its own error
    write(text, done) {
      let rest = Buffer.from(text);
      try {
        while (!stream && rest.length > 0) rest = rest.subarray(writeSync(fd, rest));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return done(error as Error);
        // A pipe that is full, and that somebody who has it too made not to wait. From here on in order.
        stream = process.stdout;
      }
      if (stream) stream.write(rest, done);
      else done();
    },
  };
}
