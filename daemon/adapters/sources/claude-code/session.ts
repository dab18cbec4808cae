// The session of a transcript: made with its first message, told of a new title or model under the key of the line that
// brought it. What it is made with is known by then, so that the same op comes out however the file is split into reads.
import type { SourceOp, Transcript } from '../../adapter.ts';
import { derivedSessionId } from '../../ids.ts';
import { type Fields, findText, isFields, type Json } from './line.ts';
import { type Memory, maxSummaries, maxUuids, rememberIn } from './memory.ts';
import { isSynthetic } from './message.ts';
import { agent, type Puts, type Time } from './puts.ts';
import { bestTitle, foldTitle, titleOfPrompt } from './title.ts';

export class SessionOf {
  readonly isSubagent: boolean;
  readonly #puts: Puts;
  readonly #memory: Memory;
  readonly #transcript: Transcript;
  readonly #summaries: Map<string, string>;
  readonly #uuids: Map<string, true>;
  #created: Extract<SourceOp, { type: 'session/create' }> | undefined;
  /** Seen in the lines of this read, up to the first message. */
  readonly #seen: { [name in 'cwd' | 'sessionId' | 'agentId']?: string | undefined } & { at?: number } = {};

  constructor(transcript: Transcript, puts: Puts, memory: Memory) {
    this.#transcript = transcript;
    this.#puts = puts;
    this.#memory = memory;
    this.#summaries = new Map(memory.summaries);
    this.#uuids = new Map(memory.uuids.map((uuid) => [uuid, true]));
    this.isSubagent = transcript.sessionKey.includes('/') || transcript.sessionKey.startsWith('agent-');
  }

  /** Looks at a line for what it says of the session; to be called before anything else is made of the line. */
  note(line: Fields, at: number | undefined): void {
    const seen = this.#seen;
    if (this.#memory.messageId === null) {
      if (at !== undefined) seen.at ??= at;
      seen.sessionId ??= findText(line, 'sessionId');
      seen.agentId ??= findText(line, 'agentId');
    }
    seen.cwd ??= findText(line, 'cwd');
    // The directory cannot be told later; should the first message not have it, a line of the same read may.
    if (this.#created && seen.cwd !== undefined) this.#created.params.directory ??= seen.cwd;
    this.#noteTitle(line);
    const uuid = findText(line, 'uuid');
    if (uuid === undefined) return;
    rememberIn(this.#uuids, uuid, true, maxUuids);
    const summary = this.#summaries.get(uuid);
    if (summary === undefined) return;
    this.#memory.titles.summary = summary;
    this.#summaries.delete(uuid);
  }

  #noteTitle(line: Fields): void {
    const { titles } = this.#memory;
    if (line.type === 'user') this.#notePrompt(line);
    else if (line.type === 'custom-title') titles.custom = foldTitle(textOf(line.customTitle ?? line.title));
    else if (line.type === 'ai-title') titles.ai = foldTitle(textOf(line.aiTitle ?? line.title));
    else if (line.type === 'summary') {
      const title = foldTitle(textOf(line.summary));
      const leaf = findText(line, 'leafUuid');
      if (title === '' || leaf === undefined) return;
      // Summaries of other sessions are written to a file too; ours are those whose leaf is in it.
      if (this.#uuids.has(leaf)) titles.summary = title;
      else rememberIn(this.#summaries, leaf, title, maxSummaries);
    }
  }

  #notePrompt(line: Fields): void {
    const { titles } = this.#memory;
    if (titles.prompt !== undefined || !isFields(line.message)) return;
    if (isSynthetic(line)) return;
    if (line.isSidechain === true && !this.isSubagent) return;
    const { content } = line.message;
    const blocks = Array.isArray(content) ? content : [{ type: 'text', text: content as Json }];
    for (const block of blocks) {
      if (!isFields(block) || block.type !== 'text' || typeof block.text !== 'string') continue;
      const found = titleOfPrompt(block.text);
      if (found) titles[found.rank] ??= found.title;
      if (found?.rank === 'prompt') return;
    }
  }

  /** With the first message of the file. */
  create(modelId: string | undefined, at: Time): void {
    const { path, sessionKey } = this.#transcript;
    const { cwd } = this.#seen;
    this.#memory.title = bestTitle(this.#memory.titles);
    this.#memory.modelId = modelId ?? null;
    this.#created = {
      key: 'session',
      type: 'session/create',
      params: {
        sessionId: this.#puts.sessionId,
        title: this.#memory.title,
        directory: cwd ?? null,
        agent,
        model: modelId === undefined ? null : { providerId: 'anthropic', modelId },
        parentId: this.#parentId(),
        origin: { source: agent, externalId: this.#externalId(sessionKey), path },
      },
      occurredAt: this.#seen.at ?? at.occurred,
    };
    this.#puts.put(this.#created);
    // Told apart too: a file that was rewritten may hold another title here than the session was once made with.
    const { custom, ai, summary } = this.#memory.titles;
    if (custom ?? ai ?? summary) this.#putTitle(at);
  }

  #parentId(): string | null {
    const { sessionKey } = this.#transcript;
    const slash = sessionKey.indexOf('/');
    const parentKey = slash > 0 ? sessionKey.slice(0, slash) : this.isSubagent ? this.#seen.sessionId : undefined;
    return parentKey === undefined || parentKey === sessionKey ? null : derivedSessionId(agent, parentKey);
  }

  #externalId(sessionKey: string): string {
    const stem = sessionKey.slice(sessionKey.lastIndexOf('/') + 1);
    if (this.isSubagent) return this.#seen.agentId ?? stem.replace(/^agent-/, '');
    return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(stem) ? stem : (this.#seen.sessionId ?? stem);
  }

  /** After a line: the title, if it is another than the session was last told. */
  retitle(at: Time): void {
    const title = bestTitle(this.#memory.titles);
    if (title === this.#memory.title) return;
    this.#memory.title = title;
    this.#putTitle(at);
  }

  /** Keyed by how many titles came before: a title that comes back is a change like any other. */
  #putTitle(at: Time): void {
    const { title, retitled } = this.#memory;
    this.#memory.retitled = retitled + 1;
    const params = { sessionId: this.#puts.sessionId, title };
    this.#puts.put({ key: `session:title:${retitled}`, type: 'session/update', params, occurredAt: at.occurred });
  }

  /** An answer of this model. */
  remodel(modelId: string, key: string, at: Time): void {
    if (modelId === this.#memory.modelId) return;
    this.#memory.modelId = modelId;
    const params = { sessionId: this.#puts.sessionId, model: { providerId: 'anthropic', modelId } };
    this.#puts.put({ key: `session:model:${key}`, type: 'session/update', params, occurredAt: at.occurred });
  }

  /** Writes what was noted into the memory, at the end of the read. */
  remember(): void {
    this.#memory.summaries = [...this.#summaries];
    this.#memory.uuids = [...this.#uuids.keys()];
  }
}

const textOf = (value: Json | undefined) => (typeof value === 'string' ? value : '');
