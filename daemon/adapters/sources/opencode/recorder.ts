// Makes puts of opencode's records: a session, a message, a part, each as it is now. Every put depends on its record and on
// which keys are held, never on where the record was read from or on what else was read with it.
import type { OpParams } from '../../../../protocol/schema.ts';
import type { Held, Transcript } from '../../adapter.ts';
import { derivedSessionId } from '../../ids.ts';
import { boundedFacts, boundedModel } from '../../kit/facts.ts';
import { type Fields, findFields, findText, type Json, timeOf } from '../../kit/json.ts';
import { Puts } from '../../kit/puts.ts';
import { believable, writtenAt } from '../../kit/time.ts';
import { foldTitle } from '../../kit/title.ts';
import { messageOf } from './message.ts';
import { partOf } from './part.ts';
import { agent, factsOf, findModel, findTitle } from './session.ts';

export class Recorder {
  readonly puts: Puts;
  badRecords = 0;
  /** When the latest record that tells happened: for those behind it that do not. */
  at: number | undefined;
  readonly #transcript: Transcript;
  readonly #sessionKey: string;

  constructor(transcript: Transcript, sessionKey: string, held: Held) {
    this.puts = new Puts(agent, sessionKey, held);
    this.#transcript = transcript;
    this.#sessionKey = sessionKey;
  }

  /**
   * What can change of a session is told by fields, each under a key of its own: a title that a user gave in the store
   * stays when something else of the session changes.
   */
  session(info: Fields): void {
    const time = findFields(info, 'time') ?? {};
    const title = findTitle(info);
    const facts = boundedFacts({
      directory: findText(info, 'directory'),
      parentKey: findText(info, 'parentID'),
      model: findModel(info.model),
      metadata: factsOf(info),
    });
    const { directory = null, parentKey, model, metadata = {} } = facts;
    this.puts.put({
      key: 'session',
      type: 'session/create',
      params: {
        sessionId: this.puts.sessionId,
        title: title ?? null,
        directory,
        agent,
        model: model ?? null,
        parentId: parentKey === undefined ? null : derivedSessionId(agent, parentKey),
        origin: { source: agent, externalId: this.#sessionKey, path: this.#transcript.path },
      },
      occurredAt: this.#timeOf(time.created),
    });
    const at = this.#timeOf(time.updated ?? time.created);
    if (title !== undefined) this.#update('session:title', { title }, at);
    if (model !== undefined) this.#update('session:model', { model }, at);
    this.#update('session:metadata', { metadata }, at);
    const archived = (timeOf(time.archived) ?? 0) > 0;
    if (archived || this.puts.has('session:archived')) this.#update('session:archived', { archived }, at);
  }

  message(id: string, info: Fields): void {
    this.#holdSession();
    const { puts } = this;
    const time = findFields(info, 'time') ?? {};
    const at = this.#timeOf(time.completed ?? time.created);
    const role = this.#roleOf(id, info);
    const { put, model, large } = messageOf(info, role, this.#transcript);
    const params = { sessionId: puts.sessionId, messageId: puts.messageId(id), ...put };
    puts.put({ key: `msg:${id}`, type: 'message/put', params, occurredAt: at });
    // Says nothing: its key tells the parts, which do not know it, that a person wrote this message.
    if (role === 'user') this.#update(`user:${id}`, {}, at);
    // Where the session does not tell its model, it is that of the last answer.
    const told = boundedModel(model);
    if (told && !puts.has('session:model')) this.#update(`session:model:${id}`, { model: told }, at);
    if (large !== undefined) this.data(`info:${id}`, 'info', large, id, at);
  }

  part(id: string, messageId: string, part: Fields): void {
    this.#holdMessage(messageId);
    const { content, rest, isBad, at } = partOf(part);
    if (isBad) this.badRecords += 1;
    const occurred = this.#timeOf(at);
    this.puts.putPart(`prt:${id}`, this.puts.messageId(messageId), content, { known: undefined, occurred });
    if (rest !== undefined) this.data(`rest:${id}`, String(part.type), rest, messageId, occurred);
    if (content.type === 'text' && !content.synthetic && part.ignored !== true)
      this.#notePrompt(messageId, content.text, occurred);
  }

  /** Anything else, kept whole. `kind` without the agent's name. */
  data(key: string, kind: string, value: Json, messageId: string, occurred = this.#timeOf(undefined)): void {
    this.#holdMessage(messageId);
    const content = { type: 'data' as const, kind: `${agent}/${kind}`, value };
    this.puts.putPart(key, this.puts.messageId(messageId), content, { known: undefined, occurred });
  }

  /** Without a title of opencode's, the first prompt that is read names the session. */
  #notePrompt(messageId: string, text: string, at: number): void {
    const { puts } = this;
    const title = foldTitle(text);
    if (title === '' || !puts.has(`user:${messageId}`)) return;
    if (!puts.has('session:title') && !puts.has('session:prompt')) this.#update('session:prompt', { title }, at);
  }

  /** A role is fixed once the message is held. */
  #roleOf(id: string, info: Fields): 'user' | 'assistant' {
    const { role } = info;
    if (role !== 'user' && role !== 'assistant') this.badRecords += 1;
    if (this.puts.has(`msg:${id}`)) return this.puts.has(`user:${id}`) ? 'user' : 'assistant';
    return role === 'user' ? 'user' : 'assistant';
  }

  /** A database can hold what a damaged or missing row should carry: then something bare carries it. */
  #holdSession(): void {
    if (!this.puts.has('session')) this.session({});
  }

  #holdMessage(id: string): void {
    if (this.puts.has(`msg:${id}`)) return;
    this.#holdSession();
    const { puts } = this;
    const params = { sessionId: puts.sessionId, messageId: puts.messageId(id), role: 'assistant' as const, agent };
    puts.put({ key: `msg:${id}`, type: 'message/put', params, occurredAt: this.#timeOf(undefined) });
  }

  #update(key: string, change: Omit<OpParams['session/update'], 'sessionId'>, occurredAt: number): void {
    this.puts.put({ key, type: 'session/update', params: { sessionId: this.puts.sessionId, ...change }, occurredAt });
  }

  #timeOf(value: Json | undefined): number {
    this.at = believable(timeOf(value), this.#transcript) ?? this.at;
    return this.at ?? writtenAt(this.#transcript);
  }
}
