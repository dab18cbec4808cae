// session/export as html: whatever the records hold, the page is our own elements and their text, and nothing acts.
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { htmlExport } from '../../daemon/core/export/html.ts';
import { style, styleHash } from '../../daemon/core/export/page.ts';
import { visible } from '../../daemon/core/export/visible.ts';
import type { PartContent } from '../../protocol/schema.ts';
import { attackText, blockerOf, exportWhole, hostileExport, messageOf, sessionOf } from '../support/export-records.ts';

const entities: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', '#39': "'" };
const voids = new Set(['meta', 'hr', 'img']);
/** The attributes that each element may have; none other may be in a page. */
const allowed: Record<string, string[]> = {
  ...{ html: ['lang'], head: [], meta: ['charset', 'http-equiv', 'content', 'name'], title: [], style: [], body: [] },
  ...{ header: [], main: [], article: ['class', 'id'], a: ['href', 'rel'], img: ['alt', 'src'], hr: [] },
  ...{ h1: ['dir'], h2: ['class'], h3: ['class', 'dir'], h4: ['dir'], h5: ['dir'], h6: ['dir'], p: ['class', 'dir'] },
  ...{ dl: [], dt: [], dd: ['dir'], details: [], summary: [], pre: ['class'], code: [], b: [], strong: [] },
  ...{ span: ['class'], div: ['class', 'dir'], table: [], tr: [], th: ['dir'], td: ['dir'] },
};

type Element = { name: string; attributes: Record<string, string>; text: string };

/** Reads a page strictly: every `<` is a tag of ours, every `&` an entity, every element is closed where it was opened. */
function readPage(html: string): Element[] {
  const elements: Element[] = [];
  const open: Element[] = [];
  const wrong: string[] = [];
  const tokens = /<(\/?)([a-z][a-z0-9]*)((?: [a-z-]+="[^"<>]*")*)>|<|[^<]+/g;
  for (const [whole, slash, name, attributeText = ''] of html.slice(start.length).matchAll(tokens)) {
    if (whole[0] !== '<') {
      const text = open.at(-1)?.name === 'style' ? whole : decoded(whole);
      for (const element of open) element.text += text;
    } else if (slash === '/') {
      if (open.pop()?.name !== name) wrong.push(whole);
    } else {
      const attributes: Record<string, string> = {};
      for (const [, key, value] of attributeText.matchAll(/ ([a-z-]+)="([^"]*)"/g)) attributes[key!] = decoded(value!);
      const element = { name: name ?? whole, attributes, text: '' };
      if (!isAllowed(element)) wrong.push(whole);
      elements.push(element);
      if (!voids.has(element.name)) open.push(element);
    }
  }
  expect({ wrong, open, begins: html.startsWith(start), ends: html.endsWith('</body>\n</html>\n') }).toEqual({
    ...{ wrong: [], open: [], begins: true, ends: true },
  });
  return elements;
}

const start = '<!doctype html>\n';

function isAllowed({ name, attributes }: Element): boolean {
  const { href = '#', src = 'data:image/png;base64,AA' } = attributes;
  return (
    Object.keys(attributes).every((key) => allowed[name]?.includes(key)) &&
    allowed[name] !== undefined &&
    /^(?:#|https?:|mailto:)/i.test(href) &&
    /^data:image\/(?:png|jpeg|gif|webp);base64,/.test(src)
  );
}

/** Throws at an `&` that begins no entity. */
function decoded(html: string): string {
  return html.replace(/&(?:([a-z0-9#]+);)?/g, (whole, name: string) => {
    const character = entities[name];
    if (character === undefined) throw new Error(`${whole} in ${html}`);
    return character;
  });
}

const pageOf = (...contents: PartContent[]) =>
  exportWhole(htmlExport, { session: sessionOf(), messages: [messageOf(contents)], blockers: [] });
const bodyOf = (html: string) => html.slice(html.indexOf('</h2>\n') + 6, html.indexOf('</article>'));
const elementsOf = (html: string, name: string) => readPage(html).filter((element) => element.name === name);

describe('the page', () => {
  test('no text of any record adds, ends or changes an element', () => {
    fc.assert(
      fc.property(hostileExport, (exported) => {
        const html = exportWhole(htmlExport, exported);
        const names = readPage(html).map(({ name }) => name);
        expect(names.filter((name) => name === 'article')).toHaveLength(
          exported.messages.length + exported.blockers.length,
        );
        for (const once of ['html', 'head', 'title', 'style', 'body', 'main', 'h1']) {
          expect(names.filter((name) => name === once)).toHaveLength(1);
        }
        expect(html).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]|\p{Surrogate}/u);
      }),
      { numRuns: 400 },
    );
  });

  test('its policy allows no script, nothing from elsewhere, and no style but its own', () => {
    const html = pageOf();
    const hash = createHash('sha256').update(style).digest('base64');
    expect(styleHash).toBe(`sha256-${hash}`);
    const policy = elementsOf(html, 'meta').find((meta) => meta.attributes['http-equiv'] === 'Content-Security-Policy');
    expect(policy?.attributes.content).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; img-src data:; base-uri 'none'; form-action 'none'`,
    );
    expect(elementsOf(html, 'style').map(({ text }) => text)).toEqual([style]);
    expect(style).not.toMatch(/url\(|@import|<|&/);
  });

  test('a session without a title has one all the same', () => {
    const html = exportWhole(htmlExport, { session: sessionOf({ title: ' ' }), messages: [], blockers: [] });
    expect(elementsOf(html, 'title')[0]?.text).toBe('Untitled session');
    expect(elementsOf(html, 'h1')[0]?.text).toBe('Untitled session');
  });
});

describe('a message', () => {
  test('what was verbatim stays so, to the character', () => {
    fc.assert(
      fc.property(attackText, (output) => {
        fc.pre(output !== '');
        const html = pageOf({ type: 'tool', callId: 'c', tool: 'Bash', state: 'completed', output });
        // A parser drops the first line end in <pre>.
        expect(elementsOf(html, 'pre')[0]?.text).toBe(`\n${visible(output)}`);
      }),
    );
  });

  test('prose keeps its words, and is set as the markdown that it is', () => {
    const text = [
      '# Plan & <b>',
      'Read `a<b>.ts` and **do** it, see https://x.y/?a=1&b=2, or [here](https://z.y/) or [there](javascript:x).',
      '- one',
      '  1. two',
      '',
      '```js',
      '**no** <i>',
      '```',
      '| a | b |',
      '|---|---|',
      '| 1 | `x` |',
    ].join('\n');
    const link = (url: string, words: string) => `<a href="${url}" rel="noopener noreferrer nofollow">${words}</a>`;
    expect(bodyOf(pageOf({ type: 'text', text }))).toBe(
      [
        '<h3 dir="auto">Plan &amp; &lt;b&gt;</h3>',
        '<p dir="auto">Read <code>a&lt;b&gt;.ts</code> and <strong>do</strong> it, see ' +
          link('https://x.y/?a=1&amp;b=2', 'https://x.y/?a=1&amp;b=2') +
          `, or ${link('https://z.y/', 'here')} or [there](javascript:x).</p>`,
        '<div class="li d0" dir="auto">• one</div>',
        '<div class="li d1" dir="auto">1. two</div>',
        '<pre>\n**no** &lt;i&gt;</pre>',
        '<div class="wide"><table><tr><th dir="auto">a</th><th dir="auto">b</th></tr>',
        '<tr><td dir="auto">1</td><td dir="auto"><code>x</code></td></tr></table></div>\n',
      ].join('\n'),
    );
  });

  test('a fence that nobody closed ends with its text', () => {
    expect(bodyOf(pageOf({ type: 'text', text: '~~~\na' }, { type: 'text', text: 'b' }))).toBe(
      '<pre>\na</pre>\n<p dir="auto">b</p>\n',
    );
  });

  test('work and reasoning are folded, and an error is not', () => {
    const parts: PartContent[] = [
      { type: 'reasoning', text: 'hm' },
      { type: 'tool', callId: 'c', tool: 'Bash', state: 'error', input: { command: 'ls' }, error: 'no' },
      { type: 'patch', files: ['/a.ts', '/b.ts'] },
      { type: 'step', phase: 'finish' },
    ];
    const exported = {
      session: sessionOf(),
      messages: [messageOf(parts, { error: { kind: 'ApiError', message: 'full' } })],
    };
    expect(bodyOf(exportWhole(htmlExport, { ...exported, blockers: [] }))).toBe(
      [
        '<details><summary>Reasoning</summary>\n<p dir="auto">hm</p>\n</details>',
        '<details><summary><b>Bash</b> <span class="bad">error</span> ls</summary>',
        '<p class="label">Input</p>\n<pre>\ncommand: ls</pre>',
        '<p class="label">Error</p>\n<pre class="bad">\nno</pre>\n</details>',
        '<p class="file"><b>patch</b> /a.ts, /b.ts</p>',
        '<p class="label bad">Error</p>\n<pre class="bad">\nApiError: full</pre>\n',
      ].join('\n'),
    );
  });

  test.each([
    [
      'https://a.b/c"d',
      '<p class="file"><a href="https://a.b/c&quot;d" rel="noopener noreferrer nofollow">f</a> · m</p>',
    ],
    ['javascript:alert(1)', '<p class="file">f · m · javascript:alert(1)</p>'],
    [' https://a.b', '<p class="file">f · m ·  https://a.b</p>'],
    ['data:image/png;base64,iVBO=', '<p class="file">f · m</p>\n<img alt="f" src="data:image/png;base64,iVBO=">'],
    ['data:image/svg+xml;base64,AAAA', '<p class="file">f · m · inline</p>'],
    ['data:image/png;base64,A"A', '<p class="file">f · m · inline</p>'],
    [`data:image/png;base64,${'A'.repeat(1024 * 1024)}`, '<p class="file">f · m · inline</p>'],
  ])('a file at %.40s is shown as far as it is harmless', (url, html) => {
    expect(bodyOf(pageOf({ type: 'file', mime: 'm', filename: 'f', url }))).toBe(`${html}\n`);
  });

  test('what reorders or hides text is written out', () => {
    const html = pageOf({ type: 'text', text: 'a\u202eb\u2066c\x1b[31md\x00\u{e0041}' });
    expect(bodyOf(html)).toBe('<p dir="auto">a⟨U+202E⟩b⟨U+2066⟩cd⟨U+0000⟩⟨U+E0041⟩</p>\n');
  });
});

test('questions and permissions stand behind the conversation, with what was decided and by whom', () => {
  const blockers = [
    blockerOf({
      kind: 'permission',
      request: { permission: 'Bash', patterns: ['npm test', 'npm ci'] },
      state: 'answered',
      resolution: { decision: 'always' },
      resolvedBy: 'usr_1',
    }),
  ];
  const html = exportWhole(htmlExport, { session: sessionOf(), messages: [], blockers });
  expect(html.slice(html.indexOf('</main>'), html.indexOf('</body>'))).toBe(
    [
      '</main>\n<h2>Questions and permissions</h2>\n<article>',
      '<h3 class="who"><b>permission</b> <span>answered</span> <span>by usr_1</span> </h3>',
      '<dl>\n<dt>Permission</dt><dd dir="auto">Bash</dd>',
      '<dt>For</dt><dd dir="auto">npm test\nnpm ci</dd>',
      '<dt>Decision</dt><dd dir="auto">always</dd>',
      '<dt>Asked</dt><dd dir="auto">2026-11-20T22:58:02Z</dd>\n</dl>\n</article>\n',
    ].join('\n'),
  );
});
