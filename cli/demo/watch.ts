// What a second program sees of the demo while it is played: the events of a subscription, printed as they arrive, text
// word by word.
import type { Event } from '../../protocol/schema.ts';
import type { Output } from '../output.ts';
import { cleanLine, cleanStart, cleanText } from '../render/clean.ts';
import { outputText } from '../render/payload.ts';
import { toolSummary } from '../render/tool.ts';
import { usageText } from '../render/usage.ts';
import { displayWidth } from '../render/width.ts';

export class DemoScreen {
  readonly #out: Output;
  readonly #agents = new Map<string, string>();
  readonly #roles = new Map<string, string>();
  /** The part whose line is not ended yet, and the column it has come to. */
  #open: { partId: string; column: number } | undefined;

  constructor(out: Output) {
    this.#out = out;
  }

  async print(events: Event[]): Promise<void> {
    const text = events.map((event) => this.#render(event)).join('');
    if (text !== '') await this.#out.write(text);
  }

  #render(event: Event): string {
    const { bold } = this.#out.style;
    switch (event.type) {
      case 'session/created': {
        const agent = cleanStart(event.data.agent ?? '', 20);
        this.#agents.set(event.sessionId, agent);
        return `${this.#close()}${this.#label(event, 'session')}${bold(cleanStart(event.data.title ?? '', 200))}\n`;
      }
      case 'message/updated':
        this.#roles.set(event.data.id, cleanLine(event.data.role));
        return event.data.usage ? `${this.#close()}${this.#label(event, 'done')}${usageText(event.data.usage)}\n` : '';
      case 'part/updated': {
        const part = event.data;
        if (part.type === 'tool')
          return `${this.#close()}${this.#label(event, 'tool')}${toolSummary(part)}\n${this.#output(part.output)}`;
        if (part.type !== 'text' && part.type !== 'reasoning') return '';
        const role = part.type === 'reasoning' ? 'reasoning' : (this.#roles.get(part.messageId) ?? '');
        const start = `${this.#close()}${this.#label(event, role)}`;
        this.#open = { partId: part.id, column: labelWidth };
        return start + this.#flow(part.text) + (part.text === '' ? '' : this.#close());
      }
      case 'part/delta':
        return this.#open?.partId === event.data.partId ? this.#flow(event.data.text) : '';
      default:
        return '';
    }
  }

  #label(event: Event, what: string): string {
    const { cyan, green, dim } = this.#out.style;
    const agent = this.#agents.get(event.sessionId) ?? '';
    const paint = what === 'user' ? green : dim;
    return `${cyan(agent.padEnd(agentWidth))}${paint(what.padEnd(labelWidth - agentWidth))}`;
  }

  /** The text, going on where the line stands; broken before a word that does not fit. */
  #flow(text: string): string {
    const open = this.#open;
    if (!open) return '';
    let flowed = '';
    for (const word of cleanText(text).match(/\S+\s*/g) ?? []) {
      const wide = displayWidth(word.trimEnd());
      if (open.column + wide > this.#out.width) {
        flowed += `\n${' '.repeat(labelWidth)}`;
        open.column = labelWidth;
      }
      flowed += word;
      open.column += displayWidth(word);
    }
    return flowed;
  }

  #output(output: unknown): string {
    const { dim } = this.#out.style;
    const text = cleanText(outputText(output)).trimEnd();
    if (text === '') return '';
    return `${text
      .split('\n')
      .map((line) => dim(`${' '.repeat(labelWidth + 2)}${line}`.trimEnd()))
      .join('\n')}\n`;
  }

  /** Ends the line of a part that was still open. */
  #close(): string {
    if (!this.#open) return '';
    this.#open = undefined;
    return '\n';
  }
}

const agentWidth = 13;
const labelWidth = agentWidth + 11;
