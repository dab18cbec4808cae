// Deterministic ids of what sources take in: made from (agent, its session, the record's key), so that reading a file
// again names the same records (PROTOCOL.md 8). 132 bits of SHA-256; message ids are unique per file, not globally (P33).
import { hash } from 'node:crypto';

/** The id for what is named by the text of a JSON list. */
function derive(prefix: string, names: string): string {
  return `${prefix}_${hash('sha256', names, 'base64url').slice(0, 22)}`;
}

// Encoded once for the many records of a session: the two names are most of what is encoded.
let last = { agent: '', sessionKey: '', names: '' };
/** The JSON list of a record's names. */
function namesOf(agent: string, sessionKey: string, key: string): string {
  if (agent !== last.agent || sessionKey !== last.sessionKey)
    last = { agent, sessionKey, names: JSON.stringify([agent, sessionKey]).slice(0, -1) };
  return `${last.names},${JSON.stringify(key)}]`;
}

export const derivedSessionId = (agent: string, sessionKey: string) =>
  derive('ses', JSON.stringify([agent, sessionKey]));
export const derivedMessageId = (agent: string, sessionKey: string, key: string) =>
  derive('msg', namesOf(agent, sessionKey, key));
export const derivedPartId = (agent: string, sessionKey: string, key: string) =>
  derive('prt', namesOf(agent, sessionKey, key));
/** The op id of a source's put. */
export const derivedOpId = (agent: string, sessionKey: string, key: string) =>
  derive('src', namesOf(agent, sessionKey, key));
