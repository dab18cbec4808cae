// Secrets for tests, made as they run: as they stand they would be found in this repository by whoever looks for such.

import { Masking } from '../../daemon/core/mask/masking.ts';
import { ownRules } from '../../daemon/core/mask/own.ts';
import type { Rule } from '../../daemon/core/mask/rule.ts';
import { presetRules } from '../../daemon/engine/mask-preset.ts';

export const allRules: readonly Rule[] = [...ownRules, ...presetRules];
export const masking = new Masking(allRules);

const alnum = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** Text that looks random, the same for the same seed. */
export function randomText(seed: number, length: number, letters = alnum): string {
  let state = (seed * 2654435761 + 12345) >>> 0;
  let text = '';
  while (text.length < length) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    text += letters[(state >>> 8) % letters.length];
  }
  return text;
}

const hex = '0123456789abcdef';
const upper = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const url = `${alnum}-_`;
const base64 = `${alnum}+/`;
const base64Of = (text: string) => Buffer.from(text).toString('base64url');

/** By the rule that masks it. Each begins and ends with a letter or digit. */
const kinds: readonly [rule: string, make: (text: (length: number, letters?: string) => string) => string][] = [
  ['anthropic', (text) => `sk-ant-api03-${text(93, url)}AA`],
  ['openai', (text) => `sk-proj-${text(60, url)}A`],
  ['openai', (text) => `sk-${text(47)}7`],
  ['openai', (text) => `sk-or-v1-${text(64, hex)}`],
  ...['ghp', 'gho', 'ghu', 'ghs', 'ghr'].map(
    (prefix) => ['github', (text) => `${prefix}_${text(36)}`] as (typeof kinds)[number],
  ),
  ['github', (text) => `github_pat_${text(22)}_${text(59)}`],
  ['gitlab', (text) => `glpat-${text(19, url)}a`],
  ['slack', (text) => `xoxb-${text(11, '0123456789')}-${text(12, '0123456789')}-${text(24)}`],
  ['slack', (text) => `hooks.slack.com/services/T${text(8, upper)}/B${text(8, upper)}/${text(24)}`],
  ['aws', (text) => `AKIA${text(16, upper)}`],
  ['aws', (text) => `ASIA${text(16, upper)}`],
  ['google', (text) => `AIza${text(34, url)}a`],
  ['google', (text) => `GOCSPX-${text(27, url)}a`],
  ['stripe', (text) => `sk_live_${text(24)}`],
  ['stripe', (text) => `rk_live_${text(40)}`],
  ['npm', (text) => `npm_${text(36)}`],
  ['pypi', (text) => `pypi-AgEIcHlwaS5vcmc${text(120, url)}a`],
  ['huggingface', (text) => `hf_${text(34)}`],
  ['telegram', (text) => `${text(10, '123456789')}:AA${text(32, url)}a`],
  ['jwt', (text) => `eyJ${base64Of('hbGciOiJI')}.eyJ${text(60, url)}.${text(42, url)}a`],
  ['sendgrid', (text) => `SG.${text(22)}.${text(43)}`],
  ['twilio', (text) => `SK${text(32, hex)}`],
  ['azure', (text) => `${text(3)}8Q~${text(33)}a`],
  ['age', (text) => `AGE-SECRET-KEY-1${text(58, upper)}`],
  ['sessiond', (text) => `cap_0mw${text(22, url)}.${text(42, url)}a`],
  ['vault', (text) => `hvs.${text(89, url)}a`],
  ['digitalocean', (text) => `dop_v1_${text(64, hex)}`],
  ['model-provider', (text) => `gsk_${text(52)}`],
];

export type Secret = { rule: string; text: string };

/** One of each kind. */
export function secrets(seed: number): Secret[] {
  return kinds.map(([rule, make], kind) => {
    let drawn = 0;
    return { rule, text: make((length, letters) => randomText(seed * 1000 + kind * 10 + drawn++, length, letters)) };
  });
}

export function pem(seed: number, kind = 'RSA '): string {
  const lines = Array.from({ length: 12 }, (_, line) => randomText(seed * 100 + line, 64, base64));
  const marker = (which: string) => `-----${which} ${kind}PRIVATE KEY-----`;
  return `${marker('BEGIN')}\nMIIE${lines.join('\n')}\n${randomText(seed, 30, base64)}==\n${marker('END')}`;
}

/** Twelve letters of it that are there; undefined where there are none. */
export function pieceOf(secret: string, text: string): string | undefined {
  for (let at = 0; at + 12 <= secret.length; at += 1) {
    const piece = secret.slice(at, at + 12);
    if (text.includes(piece)) return piece;
  }
  return undefined;
}
