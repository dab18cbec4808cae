// session/export as markdown: readable as text, and no text of a record reaches beyond its own place when it is rendered.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { contained, fenced } from '../../daemon/core/export/contain.ts';
import { markdownExport } from '../../daemon/core/export/markdown.ts';
import { visible } from '../../daemon/core/export/visible.ts';
import type { PartContent } from '../../protocol/schema.ts';
import { attackText, blockerOf, exportWhole, hostileExport, messageOf, sessionOf } from '../support/export-records.ts';

type Line = { text: string; isCode: boolean };

/** The lines, and which of them are in a fence at the top level. Throws when the last one is not closed. */
function scanFences(markdown: string): Line[] {
  let open: string | undefined;
  const lines = markdown.split('\n').map((text) => {
    const [, mark = '', behind = ''] = /^ {0,3}(`{3,}|~{3,})(.*)$/.exec(text) ?? [];
    if (open !== undefined) {
      if (mark.startsWith(open) && /^[ \t]*$/.test(behind)) open = undefined;
      return { text, isCode: true };
    }
    if (mark !== '' && !(mark[0] === '`' && behind.includes('`'))) open = mark;
    return { text, isCode: open !== undefined };
  });
  if (open !== undefined) throw new Error(`${open} is not closed in ${markdown}`);
  return lines;
}

/** The headings of the levels that are the document's own, set in either way. */
function ownHeadings(lines: Line[]): string[] {
  return lines.flatMap(({ text, isCode }, at) => {
    const above = lines[at - 1];
    const isUnderline = /^ {0,3}(?:=+|-+)[ \t]*$/.test(text) && above && !above.isCode && /[^ \t]/.test(above.text);
    return !isCode && (isUnderline || /^ {0,3}#{1,2}(?:[ \t]|$)/.test(text)) ? [text] : [];
  });
}

/** The line without its code spans and escapes, as CommonMark reads it: from the left, and no escape in a span. */
function withoutCode(line: string): string {
  let prose = '';
  for (let at = 0; at < line.length; ) {
    const run = /^`+/.exec(line.slice(at))?.[0];
    const end = run ? new RegExp(`(?<!\`)${run}(?!\`)`).exec(line.slice(at + run.length)) : null;
    if (line[at] === '\\' || (run && end)) {
      prose += ' ';
      at += run && end ? run.length + end.index + run.length : 2;
    } else {
      prose += run ?? line[at];
      at += run?.length ?? 1;
    }
  }
  return prose;
}

const startOf = (...contents: PartContent[]) =>
  exportWhole(markdownExport, { session: sessionOf(), messages: [messageOf(contents)], blockers: [] });
const bodyOf = (...contents: PartContent[]) =>
  startOf(...contents)
    .split('22:58:02Z\n\n')
    .at(-1);

describe('the document', () => {
  test('its headings are all there, outside of fences, and no text adds one of their levels', () => {
    fc.assert(
      fc.property(hostileExport, (exported) => {
        const lines = scanFences(exportWhole(markdownExport, exported));
        const { messages, blockers } = exported;
        expect(ownHeadings(lines)).toHaveLength(1 + messages.length + (blockers.length > 0 ? 1 : 0));
        const asked = lines.filter(({ text, isCode }) => !isCode && text.startsWith('### '));
        expect(asked.length).toBeGreaterThanOrEqual(blockers.length);
      }),
      { numRuns: 400 },
    );
  });

  test('no tag and no comment begins outside of code, and nothing unseen is in it', () => {
    fc.assert(
      fc.property(hostileExport, (exported) => {
        const markdown = exportWhole(markdownExport, exported);
        for (const { text, isCode } of scanFences(markdown)) {
          // A quote holds its own fences.
          if (isCode || text.startsWith('>')) continue;
          if (/^ {0,3}\S/.test(text)) expect(withoutCode(text)).not.toMatch(/<[A-Za-z/!?]/);
        }
        expect(markdown).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]|\p{Surrogate}/u);
      }),
      { numRuns: 400 },
    );
  });

  test('a session reads like this', () => {
    const messages = [
      messageOf([{ type: 'text', text: 'Mend `a<b>`, please.\n\n- now\n' }], { role: 'user', agent: null }),
      messageOf(
        [
          { type: 'step', phase: 'start' },
          { type: 'reasoning', text: 'First\n\n```\nread' },
          { type: 'text', text: '# Done\nSee <b>it</b>.' },
          { type: 'tool', callId: 'c', tool: 'my_tool', state: 'completed', input: { cmd: 'ls' }, output: '```\na' },
          { type: 'patch', hash: 'h', files: [{ path: '/a_b.ts', diff: '-a\n+b\n' }] },
          { type: 'file', mime: 'image/png', filename: 'a [1].png', url: 'https://x.y/a b).png' },
          { type: 'file', mime: 'image/png', url: 'data:image/png;base64,AAAA' },
          { type: 'data', kind: 'pi/thing', value: { a: 1 } },
        ],
        { model: { providerId: 'anthropic', modelId: 'opus' }, error: { kind: 'ApiError', message: 'full' } },
      ),
    ];
    const blockers = [
      blockerOf({
        kind: 'question',
        request: {
          questions: [
            { question: 'Which?', header: 'h', options: [{ label: 'a', description: 'one' }, { label: 'b' }] },
          ],
        },
        state: 'answered',
        resolution: { answers: [['a']] },
        resolvedBy: 'usr_1',
      }),
      blockerOf({ kind: 'permission', request: { permission: 'Bash', title: '*' }, state: 'expired', askedAt: null }),
    ];
    expect(exportWhole(markdownExport, { session: sessionOf(), messages, blockers })).toBe(`# Mend the parser

- **Directory:** /home/me/a_b
- **Agent:** claude-code
- **Model:** anthropic/opus
- **Created:** 2026-11-20T22:58:02Z
- **Updated:** 2026-11-20T22:58:02Z
- **Messages:** 1
- **Tokens:** 1,800 in, 36 out
- **Cost:** $0.12
- **Session:** ses_a

## user · 2026-11-20T22:58:02Z

Mend \`a<b>\`, please.

- now

## assistant · claude-code · opus · 2026-11-20T22:58:02Z

> *Reasoning*
>
> First
>
> \`\`\`
> read
> \`\`\`

### Done
See &lt;b>it&lt;/b>.

**my_tool** (completed): ls

Input:

\`\`\`
cmd: ls
\`\`\`

Output:

\`\`\`\`
\`\`\`
a
\`\`\`\`

**patch**: /a_b.ts

Files:

\`\`\`
-a
+b
\`\`\`

File: [a \\[1\\].png](https://x.y/a%20b%29.png) (image/png)

File: image/png, inline

pi/thing:

\`\`\`json
{
  "a": 1
}
\`\`\`

**Error**

\`\`\`
ApiError: full
\`\`\`

## Questions and permissions

### question · answered · by usr_1

- **Question:** Which?
- **Options:**
  - a – one
  - b
- **Answer:** a
- **Asked:** 2026-11-20T22:58:02Z

### permission · expired

- **Permission:** Bash
- **Title:** \\*
`);
  });
});

describe('a text', () => {
  test('what is verbatim stays so, to the character, however many backticks it has', () => {
    fc.assert(
      fc.property(attackText, (output) => {
        fc.pre(output !== '');
        const lines = scanFences(bodyOf({ type: 'tool', callId: 'c', tool: 'x', state: 'error', output })!);
        const code = lines.filter(({ isCode }) => isCode).map(({ text }) => text);
        expect(code.slice(1, -1).join('\n')).toBe(visible(output).replace(/\n$/, ''));
      }),
    );
  });

  test.each([
    ['an open fence is closed', '```js\na', '```js\na\n```'],
    ['a closed one is left alone', '~~~\n```\n~~~', '~~~\n```\n~~~'],
    ['backticks on one line are no fence', '```a``` <b>', '```a``` &lt;b>'],
    ['a fence in a list is left alone', '1. a\n   ```html\n   <b>\n   ```\nb', '1. a\n   ```html\n   <b>\n   ```\nb'],
    ['a heading goes below those of the document', '# a\n## b\n##### c\n#d', '### a\n#### b\n###### c\n#d'],
    ['a heading in a fence is none', '```\n# a\n```', '```\n# a\n```'],
    ['a line below a text underlines nothing', 'a\n---\nb\n\n---', 'a\n\n---\nb\n\n---'],
    ['tags and comments are text', '<details> <!-- </b> a < b', '&lt;details> &lt;!-- &lt;/b> a < b'],
    ['code is left alone', 'a `<b>` and ``<c> ` <d>``', 'a `<b>` and ``<c> ` <d>``'],
    ['a mark that is closed on another line makes no code sure', '`\n`<b>`', '`\n`&lt;b>`'],
    ['an escaped mark begins no code', '\\`<b>`', '\\`&lt;b>`'],
    ['a bar ends a cell of a table and its code', '| `a | <b>` |', '| `a | &lt;b>` |'],
    ['blanks around are dropped, but not the indent of the first line', ' \n\n  a\n\n', '  a'],
  ])('%s', (_, text, markdown) => {
    expect(contained(text)).toBe(markdown);
  });

  test.each([
    ['a fence in a list that its text leaves', '- a\n  ```\nb\n  ```'],
    ['a fence in a list that ends elsewhere', '- a\n  ```\n  b\n   ```'],
    ['a fence behind what may be no mark of a list', 'a\n7. ```\n   b\n   ```'],
    ['a fence behind a tab', '- a\n\n\t```\n\tb\n\t```'],
    ['a fence that is set in and stays open', '- a\n  ```\n  b'],
    ['a tag where a fence may be none', 'a\n    ~~~\n    <b>\n    ~~~'],
  ])('%s is shown verbatim, since its end cannot be told', (_, text) => {
    expect(contained(text)).toBe(fenced(text));
  });
});
