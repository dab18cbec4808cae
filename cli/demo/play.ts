// Plays the demo's script through a connection, op by op, as the programs of two agents would.
import { randomBytes } from 'node:crypto';
import type { Client } from '../../protocol/client.ts';
import type { PartContent } from '../../protocol/schema.ts';
import type { DemoSession, DemoStep } from './script.ts';
import { demoScript } from './script.ts';

/** Waits between the steps; resolves at once where nobody watches. Rejects when the demo is to end. */
export type Pause = (ms: number) => Promise<void>;

const [betweenSteps, betweenWords] = [220, 20];

/** Where an agent stands: its session, and its message under way. */
type Place = { sessionId: string; messageId: string };

/** Resolves when every op is acknowledged. */
export async function playDemo(client: Client, pause: Pause): Promise<void> {
  const places = new Map<DemoSession, Place>();
  for (const step of demoScript) {
    const place = places.get(step.session) ?? { sessionId: newId('ses'), messageId: '' };
    places.set(step.session, place);
    await playStep(client, pause, step, place);
    await pause(betweenSteps);
  }
}

async function playStep(client: Client, pause: Pause, step: DemoStep, place: Place): Promise<void> {
  const { sessionId } = place;
  switch (step.do) {
    case 'session': {
      const { title, agent, directory, modelId } = step;
      const model = { providerId: agent === 'codex' ? 'openai' : 'anthropic', modelId };
      await client.call('session/create', { sessionId, title, agent, directory, model });
      return;
    }
    case 'message': {
      place.messageId = newId('msg');
      await client.call('message/put', { sessionId, messageId: place.messageId, role: step.role });
      if (step.text !== undefined) await putPart(client, place, newId('prt'), { type: 'text', text: step.text });
      return;
    }
    case 'stream': {
      const partId = newId('prt');
      await putPart(client, place, partId, { type: step.type, text: '' });
      let offset = 0;
      for (const text of step.text.match(/\S+\s*/g) ?? []) {
        await client.call('part/delta', { sessionId, partId, field: 'text', offset, text });
        offset += text.length;
        await pause(betweenWords);
      }
      return;
    }
    case 'tool': {
      const partId = newId('prt');
      const call = { type: 'tool' as const, callId: newId('call'), tool: step.tool, input: step.input };
      await putPart(client, place, partId, { ...call, state: 'pending' });
      await pause(step.takesMs);
      await putPart(client, place, partId, { ...call, state: 'completed', output: step.output });
      return;
    }
    case 'done': {
      const usage = { ...step.usage, reasoning: 0, cacheWrite: 0 };
      await client.call('message/put', { sessionId, messageId: place.messageId, role: 'assistant', usage });
    }
  }
}

async function putPart(client: Client, place: Place, partId: string, part: PartContent): Promise<void> {
  const { sessionId, messageId } = place;
  await client.call('part/put', { sessionId, messageId, partId, part });
}

function newId(prefix: string): string {
  return `${prefix}_${randomBytes(16).toString('base64url')}`;
}
