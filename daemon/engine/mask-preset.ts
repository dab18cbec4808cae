// The rules of @secretlint's recommended preset, without its core: that keeps a mark of every text for ever, and leaves
// alone what a text itself says is to be left alone (secretlint-disable), so what an agent wrote would decide.
import { rules } from '@secretlint/secretlint-rule-preset-recommend';
import type { Found, Rule } from '../core/mask/rule.ts';

type Creator = (typeof rules)[number];
type Context = Parameters<Creator['create']>[0];
type Source = Parameters<NonNullable<ReturnType<Creator['create']>['file']>>[0];

/** No secret that they know is shorter; most texts are. */
const shortest = 16;
const prefix = '@secretlint/secretlint-rule-';

export const presetRules: readonly Rule[] = rules
  .filter(({ meta }) => meta.id !== `${prefix}filter-comments`)
  .map((creator) => {
    const rule = creator.meta.id.slice(prefix.length).replace(/[^a-z-]/g, '');
    let found: Found[] = [];
    const context: Context = {
      sharedOptions: {},
      createTranslator: () => (messageId) => ({ message: '', messageId: String(messageId), data: {} as never }),
      report: ({ range: [start, end] }) => void found.push({ start, end, rule }),
      ignore() {},
    };
    const { file } = creator.create(context, {});
    return (text) => {
      found = [];
      if (text.length < shortest) return found;
      // Without a path: rules for files of certain names take it for such a file.
      void file?.({ content: text, filePath: undefined, ext: '', contentType: 'text' } as unknown as Source);
      return found;
    };
  });
