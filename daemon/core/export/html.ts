// session/export as html: one file for a browser or a printer, which needs nothing beside it and runs nothing (page.ts).
// Whatever the records hold goes through `escaped`, and no piece leaves an element open.
import type { Blocker, Message, Part } from '../../../protocol/schema.ts';
import { escaped, link } from './escape.ts';
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
import { pageEnd, pageStart } from './page.ts';
import { preText, proseHtml } from './prose.ts';

export const htmlExport: ExportFormat = {
  lists: ['messages', 'blockers'],
  begin(session) {
    const title = session.title?.trim() || untitled;
    return `${pageStart(title)}<header>\n<h1 dir="auto">${escaped(title)}</h1>\n${list(sessionFacts(session))}</header>\n`;
  },
  openList: (what) => (what === 'messages' ? '<main>\n' : ''),
  item(what, json, isFirst) {
    if (what === 'messages') {
      const { message, parts } = JSON.parse(json) as { message: Message; parts: Part[] };
      const time = isoTime(message.createdAt);
      const permalink = `<a href="#${escaped(message.id)}">${time}</a>`;
      const blocks = messageBlocks(message, parts).map((block) => `${blockHtml(block)}\n`);
      const open = `<article class="${escaped(message.role)}" id="${escaped(message.id)}">`;
      return `${open}\n${heading(2, speaker(message), permalink)}${blocks.join('')}</article>\n`;
    }
    const blocker = JSON.parse(json) as Blocker;
    const section = isFirst ? `<h2>${blockersTitle}</h2>\n` : '';
    return `${section}<article>\n${heading(3, blockerTitle(blocker))}${list(blockerFacts(blocker))}</article>\n`;
  },
  closeList: (what) => (what === 'messages' ? '</main>\n' : ''),
  end: () => pageEnd,
};

function blockHtml(block: Block): string {
  switch (block.type) {
    case 'prose':
      return proseHtml(block.text);
    case 'aside':
      return folded(block.label, proseHtml(block.text));
    case 'error':
      return `<p class="label bad">Error</p>\n<pre class="bad">${preText(block.text)}</pre>`;
    case 'record':
      return folded(escaped(block.kind), `<pre>${preText(block.json)}</pre>`);
    case 'file':
      return fileHtml(block);
    case 'work':
      return workHtml(block);
  }
}

function workHtml({ name, state, title, texts }: Extract<Block, { type: 'work' }>): string {
  // What went well is what is expected, and needs no word.
  const how = state === '' || state === 'completed' ? '' : ` <span${bad(state === 'error')}>${escaped(state)}</span>`;
  const head = `<b>${escaped(name)}</b>${how} ${escaped(title)}`.trimEnd();
  if (texts.length === 0) return `<p class="file">${head}</p>`;
  const boxes = texts.map(
    ([label, text]) => `<p class="label">${label}</p>\n<pre${bad(label === 'Error')}>${preText(text)}</pre>`,
  );
  return folded(head, boxes.join('\n'));
}

/** Larger images are only named: a page with hundreds of them would open slowly. */
const mostImageUnits = 1024 * 1024;
const image = /^data:image\/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}$/;

function fileHtml({ name, mime, url }: Extract<Block, { type: 'file' }>): string {
  const label = escaped(name || mime || 'file');
  const about = name && mime ? ` · ${escaped(mime)}` : '';
  if (url.startsWith('data:')) {
    const isShown = url.length <= mostImageUnits && image.test(url);
    return `<p class="file">${label}${about}${isShown ? `</p>\n<img alt="${label}" src="${url}">` : ' · inline</p>'}`;
  }
  const linked = link(url, label);
  return `<p class="file">${linked}${about}${linked === label ? ` · ${escaped(url)}` : ''}</p>`;
}

function folded(head: string, html: string): string {
  return `<details><summary>${head}</summary>\n${html}\n</details>`;
}

/** The first word stands out; `aside`: html. */
function heading(level: number, [first = '', ...more]: string[], aside = ''): string {
  const words = [`<b>${escaped(first)}</b>`, ...more.map((word) => `<span>${escaped(word)}</span>`), aside];
  return `<h${level} class="who">${words.join(' ')}</h${level}>\n`;
}

function list(facts: Fact[]): string {
  if (facts.length === 0) return '';
  return `<dl>\n${facts.map(([label, text]) => `<dt>${label}</dt><dd dir="auto">${escaped(text)}</dd>\n`).join('')}</dl>\n`;
}

function bad(isBad: boolean): string {
  return isBad ? ' class="bad"' : '';
}
