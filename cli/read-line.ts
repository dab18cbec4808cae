// What somebody types for an answer.
import { createInterface } from 'node:readline';

/** The next line; empty at the end of the input. */
export async function readLine(input: NodeJS.ReadableStream): Promise<string> {
  const lines = createInterface({ input, terminal: false });
  try {
    for await (const line of lines) return line;
    return '';
  } finally {
    lines.close();
  }
}
