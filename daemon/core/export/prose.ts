// Prose that agents and persons wrote, which is markdown mostly, as html: fences, headings, lists, tables, code, strong words
// and links, as far as it can be told line by line. All else stays as it was typed. Every text goes through `escaped`,
// and each element that is opened is closed within its line or block, so that nothing reaches beyond. Cost is linear.
import { escaped, link } from './escape.ts';
import { visible } from './visible.ts';

/** The prose as html blocks. Headings begin at `<h3>`, below those of the document. */
export function proseHtml(text: string): string {
  const lines = visible(text).trimEnd().split('\n');
  const html: string[] = [];
  let paragraph: string[] = [];
  const endParagraph = () => {
    if (paragraph.length > 0) html.push(`<p dir="auto">${inline(paragraph.join('\n'))}</p>`);
    paragraph = [];
  };
  for (let at = 0; at < lines.length; at += 1) {
    const block = readBlock(lines, at);
    if (block === undefined) {
      if (lines[at]!.trim() === '') endParagraph();
      else paragraph.push(lines[at]!);
      continue;
    }
    endParagraph();
    html.push(block.html);
    at = block.end - 1;
  }
  endParagraph();
  return html.join('\n');
}

type Found = { html: string; end: number };

/** What begins at a line and is no paragraph; `end`: the line behind it. */
function readBlock(lines: string[], at: number): Found | undefined {
  const line = lines[at]!;
  const fence = /^([ \t]*)(`{3,}|~{3,})[^`]*$/.exec(line);
  if (fence) return readFence(lines, at, fence[2]!, fence[1]!.length);
  const heading = /^ {0,3}(#{1,6})[ \t]+(.+)$/.exec(line);
  if (heading) {
    const level = Math.min(6, heading[1]!.length + 2);
    return { html: `<h${level} dir="auto">${inline(heading[2]!)}</h${level}>`, end: at + 1 };
  }
  if (/^ {0,3}(?:(?:- *){3,}|(?:\* *){3,}|(?:_ *){3,})$/.test(line)) return { html: '<hr>', end: at + 1 };
  if (line.trimStart().startsWith('|') && isDelimiterRow(lines[at + 1])) return readTable(lines, at);
  const item = /^([ \t]*)([-*+]|\d{1,9}[.)])[ \t]+(\S.*)$/.exec(line);
  if (!item) return undefined;
  const depth = Math.min(4, Math.floor(item[1]!.replaceAll('\t', '    ').length / 2));
  const marker = /\d/.test(item[2]!) ? item[2]! : '•';
  return { html: `<div class="li d${depth}" dir="auto">${marker} ${inline(item[3]!)}</div>`, end: at + 1 };
}

/** `indent`: how far its marks are set in, which its lines are too. */
function readFence(lines: string[], at: number, mark: string, indent: number): Found {
  let end = at + 1;
  while (end < lines.length && !isFenceEnd(lines[end]!.trim(), mark)) end += 1;
  const code = lines.slice(at + 1, end).map((line) => line.slice(0, indent).trimStart() + line.slice(indent));
  return { html: `<pre>${preText(code.join('\n'))}</pre>`, end: end + 1 };
}

function isFenceEnd(line: string, mark: string): boolean {
  return line.startsWith(mark) && line === mark[0]!.repeat(line.length);
}

function isDelimiterRow(line = ''): boolean {
  return /^[ |:-]+$/.test(line) && line.includes('-') && line.includes('|');
}

function readTable(lines: string[], at: number): Found {
  let end = at + 2;
  while (end < lines.length && lines[end]!.trimStart().startsWith('|')) end += 1;
  const row = (line: string, cell: string) =>
    `<tr>${cells(line)
      .map((text) => `<${cell} dir="auto">${inline(text)}</${cell}>`)
      .join('')}</tr>`;
  const body = lines.slice(at + 2, end).map((line) => row(line, 'td'));
  return { html: `<div class="wide"><table>${[row(lines[at]!, 'th'), ...body].join('\n')}</table></div>`, end };
}

function cells(line: string): string[] {
  const bare = line.trim().slice(1);
  const texts = (bare.endsWith('|') ? bare.slice(0, -1) : bare).split(/(?<!\\)\|/);
  return texts.map((text) => text.trim().replaceAll('\\|', '|'));
}

/** A parser drops a line end right behind `<pre>`: one more keeps the text's own. */
export function preText(text: string): string {
  return `\n${escaped(text)}`;
}

/** Each alternative stops at its own mark or at a line's end, so that no text is searched twice. */
const inlineMarks =
  /`([^`\n]+)`|\*\*([^*\n]+)\*\*|\[([^[\]\n]+)\]\(((?:https?:|mailto:)[^\s()<>[\]]+)\)|https?:\/\/[^\s<>"'`*|\\[\]]+/gi;

function inline(text: string): string {
  let html = '';
  let done = 0;
  for (const match of text.matchAll(inlineMarks)) {
    const [whole, code, strong, words, url] = match;
    html += escaped(text.slice(done, match.index));
    done = match.index + whole.length;
    if (code !== undefined) html += `<code>${escaped(code)}</code>`;
    else if (strong !== undefined) html += `<strong>${escaped(strong)}</strong>`;
    else if (url !== undefined) html += link(url, escaped(words!));
    else {
      const bare = withoutEnding(whole);
      html += link(bare, escaped(bare)) + escaped(whole.slice(bare.length));
    }
  }
  return html + escaped(text.slice(done));
}

/** A url in a sentence, without the sentence's own marks behind it. */
function withoutEnding(url: string): string {
  let end = url.length;
  while (end > 0 && '.,;:!?)}'.includes(url[end - 1]!)) end -= 1;
  return url.slice(0, end);
}
