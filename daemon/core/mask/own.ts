// The rules of our own: what coding sessions hold.
import { assignments } from './assignments.ts';
import { headers } from './headers.ts';
import { privateKeys } from './private-keys.ts';
import type { Rule } from './rule.ts';
import { tokens } from './tokens.ts';

export const ownRules: readonly Rule[] = [privateKeys, tokens, ...headers, assignments];
