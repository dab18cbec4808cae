// Checks a value by a zod schema, and beyond it: no member at any level that the schema does not name.
import { z } from 'zod';

/** What is wrong, as `path: what`; empty where the value fits. */
export function strictly(schema: z.ZodType, value: unknown): string[] {
  const parsed = schema.safeParse(value);
  if (!parsed.success) return parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  return unnamed(schema, value, '');
}

function unnamed(schema: z.core.$ZodType, value: unknown, path: string): string[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) {
    return value === null || value === undefined ? [] : unnamed(schema.unwrap(), value, path);
  }
  if (schema instanceof z.ZodArray) {
    return (value as unknown[]).flatMap((item, at) => unnamed(schema.element, item, `${path}[${at}]`));
  }
  if (schema instanceof z.ZodUnion) {
    // Of a union, the first option that fits and names everything.
    const found = schema.options.map((option) => strictly(option as z.ZodType, value));
    return found.some((wrong) => wrong.length === 0) ? [] : found.toSorted((a, b) => a.length - b.length)[0]!;
  }
  if (schema instanceof z.ZodObject) {
    const shape = schema.shape as Record<string, z.core.$ZodType>;
    return Object.entries(value as object).flatMap(([name, member]) => {
      const here = path === '' ? name : `${path}.${name}`;
      return shape[name] ? unnamed(shape[name], member, here) : [`${here}: the schema does not name it`];
    });
  }
  return [];
}
