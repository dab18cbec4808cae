// What a check of `doctor` finds: one thing, in a word and a sentence, and what is to be done about it.
import type { Context } from '../context.ts';
import type { Condition } from './condition.ts';

export type Finding = {
  /** What was looked at: `socket`, `modes`. */
  about: string;
  /** `note`: nothing is wrong, and it is good to know. */
  state: 'fine' | 'note' | 'wrong';
  text: string;
  /** What puts it right: a command, or a sentence. */
  todo?: string;
  /** Does that. Set where it is safe to do. */
  fix?: () => void;
};

/** Finds what it is about; never rejects for what is wrong there, and changes nothing. */
export type Check = (context: Context, condition: Condition) => Finding[] | Promise<Finding[]>;
