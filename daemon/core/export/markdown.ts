// session/export as markdown, to be read as text and rendered: a heading for each message, at column 0 and outside of
// whatever the texts before it opened (contain.ts). Verbatim texts are fenced.
import type { Blocker, Message, Part } from '../../../protocol/schema.ts';
import { contained, fenced } from './contain.ts';
import type { ExportFormat } from './format.ts';
import type { Block, Fact } from './outline.ts';
import {
  blockerFacts,
  blockersTitle,
  blockerTitle,
  isoTime,
  messageBlocks,
  sessionFacts,
  speaker,
  untitled,
} from './outline.ts';
import { visible } from './visible.ts';

export const markdownExport: ExportFormat = {
  lists: ['messages', 'blockers'],
  begin: (session) => `# ${plain(session.title ?? '') || untitled}\n${list(sessionFacts(session))}`,
  openList: () => '',
  item(what, json, isFirst) {
    if (what === 'messages') {
      const { message, parts } = JSON.parse(json) as { message: Message; parts: Part[] };
      const blocks = messageBlocks(message, parts).map((block) => `\n${blockText(block)}\n`);
      return heading(2, [...speaker(message), isoTime(message.createdAt)]) + blocks.join('');
    }
    const blocker = JSON.parse(json) as Blocker;
    const section = isFirst ? heading(2, [blockersTitle]) : '';
    return section + heading(3, blockerTitle(blocker)) + list(blockerFacts(blocker));
  },
  closeList: () => '',
  end: () => '',
};

function blockText(block: Block): string {
  switch (block.type) {
    case 'prose':
      return contained(visible(block.text));
    case 'aside':
      return quoted(`*${block.label}*\n\n${contained(visible(block.text))}`);
    case 'error':
      return `**Error**\n\n${verbatim(block.text)}`;
    case 'record':
      return `${plain(block.kind) || 'data'}:\n\n${verbatim(block.json, 'json')}`;
    case 'file':
      return fileText(block);
    case 'work': {
      const title = plain(block.title);
      const head = `**${plain(block.name) || 'work'}**${block.state && ` (${plain(block.state)})`}${title && `: ${title}`}`;
      const texts = block.texts.map(([label, text]) => `${label}:\n\n${verbatim(text)}`);
      return [head, ...texts].join('\n\n');
    }
  }
}

function fileText({ name, mime, url }: Extract<Block, { type: 'file' }>): string {
  const label = plain(name) || plain(mime) || 'file';
  const about = name && mime ? ` (${plain(mime)})` : '';
  if (/^(?:https?|mailto):/i.test(url)) return `File: [${label}](${destination(url)})${about}`;
  return url.startsWith('data:') ? `File: ${label}${about}, inline` : `File: ${label}${about}, ${plain(url)}`;
}

function heading(level: number, words: string[]): string {
  return `\n${'#'.repeat(level)} ${words.map(plain).join(' · ')}\n`;
}

/** A list of its own: a blank line stands before it. */
function list(facts: Fact[]): string {
  return facts.length === 0 ? '' : `\n${facts.map(factText).join('')}`;
}

/** The lines of a longer text as a list below its label. */
function factText([label, text]: Fact): string {
  const lines = visible(text)
    .split('\n')
    .map(plain)
    .filter((line) => line !== '');
  const words = lines.length === 1 ? ` ${lines[0]}` : lines.map((line) => `\n  - ${line}`).join('');
  return `- **${label}:**${words}\n`;
}

function verbatim(text: string, language?: string): string {
  return fenced(visible(text), language);
}

function quoted(markdown: string): string {
  return markdown.replace(/^(.?)/gm, (_, first: string) => (first === '' ? '>' : `> ${first}`));
}

/** What means something to markdown, wherever it stands in a line; an underscore within a word means nothing. */
const meaningful = /[\\`*[\]<>&~#|]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])/g;

/** Text of one line that reads as it was written. It is put behind other words of its line only. */
function plain(text: string): string {
  return visible(text).replace(/\s+/g, ' ').trim().replace(meaningful, '\\$&');
}

/** A url as the destination of a link: what could end it is percent-encoded. */
function destination(url: string): string {
  return visible(url).replace(/[^A-Za-z0-9\-._~:/?#@!$&'*+,;=%]+/g, encodePercent);
}

function encodePercent(text: string): string {
  return encodeURIComponent(text).replace(/[()]/g, (mark) => (mark === '(' ? '%28' : '%29'));
}
