// config.toml: TOML, checked by a schema at start; an unknown or invalid key is refused by its name, its line and what is
// allowed (PROTOCOL.md 1).
import { existsSync, readFileSync } from 'node:fs';
import { parse, TomlError } from 'smol-toml';
import { z } from 'zod';
import { ConfigError } from './config-error.ts';
import type { Backoff } from './core/outbox.ts';
import type { RetentionRule } from './core/retention.ts';
import type { AuditRule } from './engine/capability-audit.ts';
import { HttpTable, httpListen } from './http-config.ts';
import type { HttpListen } from './serve/http/door.ts';
import type { SourceKind } from './source-kinds.ts';
import { sourceKindNames } from './source-kinds.ts';

const duration = z.int('expected a whole number of ms').min(1, 'expected at least 1 ms').max(Number.MAX_SAFE_INTEGER);

const count = z.int('expected a whole number').min(1, 'expected at least 1').max(Number.MAX_SAFE_INTEGER);

const Config = z.strictObject({
  retention: z
    .strictObject({ maxEvents: count.optional(), maxAgeMs: duration.optional(), maxLagEvents: count.optional() })
    .optional(),
  ledger: z.strictObject({ maxAgeMs: duration.optional() }).optional(),
  audit: z.strictObject({ maxAgeMs: duration.optional(), maxEntries: count.optional() }).optional(),
  http: HttpTable.optional(),
  outbox: z.strictObject({ baseMs: duration.optional(), maxMs: duration.optional() }).optional(),
  share: z.strictObject({ enabled: z.boolean().optional() }).optional(),
  sources: z.strictObject(Object.fromEntries(sourceKindNames.map((kind) => [kind, z.boolean().optional()]))).optional(),
});

/** `sources`: which are read by default. `ledger`, `audit`, `retention`: how long op ids, audits and events are kept (PROTOCOL.md 5). */
export type Config = {
  sources: Record<SourceKind, boolean>;
  ledger: { maxAgeMs: number };
  audit: AuditRule;
  retention: RetentionRule;
  /** Where TCP is listened on; undefined: nowhere. */
  http: HttpListen | undefined;
  /** How long to wait before what did not arrive is sent again. */
  outbox: Backoff;
  /** False: no session is shared. */
  sharing: boolean;
};

const dayMs = 24 * 3600_000;
export const defaultLedger: Config['ledger'] = { maxAgeMs: 30 * dayMs };
export const defaultAudit: AuditRule = { maxAgeMs: 90 * dayMs, maxEntries: 100_000 };
export const defaultOutbox: Backoff = { baseMs: 500, maxMs: 60_000 };
export const defaultRetention: RetentionRule = { maxEvents: 2_000_000, maxAgeMs: 90 * dayMs, maxLagEvents: 1_000_000 };

/** Reads the config; a file that is not there is the defaults. Throws ConfigError, which names key and line. */
export function loadConfig(path: string): Config {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  let raw: unknown;
  try {
    raw = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new ConfigError(`${path}:${error.line}: ${error.message.split('\n')[0]}`);
  }
  const parsed = Config.safeParse(raw);
  if (!parsed.success) {
    // What was misspelt says more than that it is missing.
    const { issues } = parsed.error;
    const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]!;
    throw new ConfigError(describe(path, text, issue));
  }
  const { sources, ledger, audit, retention, http, outbox, share } = parsed.data;
  const read = sourceKindNames.map((kind) => [kind, sources?.[kind] ?? true]);
  return {
    sources: Object.fromEntries(read) as Config['sources'],
    ledger: { ...defaultLedger, ...given(ledger) },
    audit: { ...defaultAudit, ...given(audit) },
    retention: { ...defaultRetention, ...given(retention) },
    http: http && httpListen(http, path),
    outbox: { ...defaultOutbox, ...given(outbox) },
    sharing: share?.enabled ?? true,
  };
}

/** What was written, without what was left out. */
function given<T extends object>(table: T | undefined): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return (table ?? {}) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

function describe(path: string, text: string, issue: z.core.$ZodIssue): string {
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys[0]! : undefined;
  const keys = [...issue.path.map(String), ...(unknown === undefined ? [] : [unknown])];
  const name = keys.join('.');
  // An item of a list stands where the list does, or below it.
  const where = `${path}:${lineOf(
    text,
    keys.filter((key) => !/^\d+$/.test(key)),
  )}`;
  if (unknown === undefined) return `${where}: ${name}: ${issue.message}`;
  return `${where}: there is no setting ${name}; allowed here: ${allowedAt(issue.path).join(', ')}`;
}

function allowedAt(path: PropertyKey[]): string[] {
  let schema: z.ZodType = Config;
  for (const key of [undefined, ...path]) {
    if (key !== undefined && schema instanceof z.ZodObject) schema = schema.shape[key as string] as z.ZodType;
    while (schema instanceof z.ZodOptional) schema = schema.unwrap() as z.ZodType;
  }
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

/** The line on which a key stands, under its table or as a dotted key; 1 when it cannot be told. */
function lineOf(text: string, keys: string[]): number {
  const wanted = keys.join('.');
  let table = '';
  for (const [index, line] of text.split('\n').entries()) {
    table = /^\s*\[\s*([^\]]+?)\s*\]/.exec(line)?.[1] ?? table;
    const key = /^\s*([^=#[]+?)\s*=/.exec(line)?.[1];
    const full = [table, key].filter(Boolean).join('.').replaceAll('"', '');
    if (full === wanted) return index + 1;
  }
  return 1;
}
