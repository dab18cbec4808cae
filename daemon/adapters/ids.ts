// Deterministic ids of what sources take in: made from (agent, its session, the record's key), so that reading a file
// again names the same records (PROTOCOL.md 8). 132 bits of SHA-256; message ids are unique per file, not globally (P33).
import { hash } from 'node:crypto';

function derive(prefix: string, ...names: string[]): string {
  return `${prefix}_${hash('sha256', JSON.stringify(names), 'base64url').slice(0, 22)}`;
}

export const derivedSessionId = (agent: string, sessionKey: string) => derive('ses', agent, sessionKey);
export const derivedMessageId = (agent: string, sessionKey: string, key: string) =>
  derive('msg', agent, sessionKey, key);
export const derivedPartId = (agent: string, sessionKey: string, key: string) => derive('prt', agent, sessionKey, key);
/** The op id of a source's put. */
export const derivedOpId = (agent: string, sessionKey: string, key: string) => derive('src', agent, sessionKey, key);
