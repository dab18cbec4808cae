// The OpenRPC document, generated from the method table, never written by hand.
import { z } from 'zod';
import { errorCodes } from '../../protocol/errors.ts';
import type { Method } from '../../protocol/methods.ts';
import { methods, protocolVersion } from '../../protocol/methods.ts';
import { notifications } from '../../protocol/notifications.ts';

type Schema = Record<string, unknown>;

/** Built once, when first asked for. `version` is the program's. */
export function openRpcDocument(version: string): Record<string, unknown> {
  return {
    openrpc: '1.3.2',
    info: {
      title: 'sessiond',
      version,
      description: `sessiond wire protocol, version ${protocolVersion}. Params are by name.`,
    },
    methods: Object.entries(methods as Record<string, Method>).map(([name, method]) => ({
      name,
      summary: method.summary,
      paramStructure: 'by-name',
      params: paramsOf(method.params),
      result: { name: 'result', schema: schemaOf(method.result, 'output') },
      'x-right': method.right,
    })),
    'x-notifications': Object.entries(notifications).map(([name, params]) => ({
      name,
      params: schemaOf(params, 'output'),
    })),
    components: {
      errors: Object.fromEntries(Object.entries(errorCodes).map(([kind, code]) => [kind, { code, message: kind }])),
    },
  };
}

function paramsOf(params: z.ZodType): Schema[] {
  const { properties = {}, required = [] } = schemaOf(params, 'input') as {
    properties?: Record<string, Schema>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, schema]) => ({ name, required: required.includes(name), schema }));
}

function schemaOf(type: z.ZodType, io: 'input' | 'output'): Schema {
  // 'any': members that hold whatever JSON the client gave have no schema of their own.
  const { $schema, ...schema } = z.toJSONSchema(type, { io, unrepresentable: 'any', reused: 'inline' }) as Schema;
  return schema;
}
