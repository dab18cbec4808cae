// One read of a transcript's lines: what all sources do alike with a line, whatever its records mean.
import type { Held, ReadResult, Source, Transcript } from '../adapter.ts';
import type { Conversation } from './conversation.ts';
import { type Fields, parseLine } from './json.ts';

export abstract class LineReader<Own> {
  protected readonly conversation: Conversation<Own>;

  constructor(conversation: Conversation<Own>) {
    this.conversation = conversation;
  }

  take(raw: string): void {
    const line = parseLine(raw);
    if (line === undefined) return;
    if ('fields' in line && this.takeRecord(line.fields, line.text)) return;
    const { conversation } = this;
    conversation.bad();
    const value = 'fields' in line ? line.fields : line.unparsed;
    conversation.data(`line:${conversation.nameByText(line.text)}`, 'unparsed', value);
  }

  end(mustTake: boolean): ReadResult {
    this.remember();
    return this.conversation.end(mustTake);
  }

  /** Makes of a record what it means. False for what is no record of this format: it is kept as it is, and counted. */
  protected abstract takeRecord(fields: Fields, text: string): boolean;

  /** Writes what the next read must know into `conversation.own`. */
  protected remember(): void {}
}

/** Source.read with a reader that is made anew for each read. */
export function readWith<Own>(
  Reader: new (transcript: Transcript, state: unknown, held: Held) => LineReader<Own>,
): Source['read'] {
  return (transcript, lines, state, held, mustTake) => {
    const reader = new Reader(transcript, state, held);
    for (const line of lines) reader.take(line.text);
    return reader.end(mustTake);
  };
}
