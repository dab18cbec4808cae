// Who a call is made by: what its connection acts with at the moment when the call comes. What waits is done as who asked for
// it, whatever the connection redeems meanwhile (PROTOCOL.md 6).
import type { Feed } from '../engine/feed.ts';
import type { Grant } from '../engine/grant.ts';
import type { Author } from '../engine/writer.ts';
import type { Connection } from './connection.ts';
import type { Peer } from './peer.ts';

export class Caller {
  readonly peer: Peer;
  readonly id: string;
  readonly connection: Connection;
  readonly feeds: Map<string, Feed>;
  /** Undefined for the local owner. */
  readonly grant: Grant | undefined;
  readonly author: Author;
  /** The sessions that it may know of; undefined: all. */
  readonly sessions: string[] | undefined;
  /** Methods whose reading is in the audit. */
  readonly audited: Set<string>;
  /** Fires when the connection ends, or acts with something else, or what it acts with is over. */
  readonly signal: AbortSignal;

  constructor(peer: Peer) {
    const { grant } = peer;
    this.peer = peer;
    this.id = peer.id;
    this.connection = peer.connection;
    this.feeds = peer.feeds;
    this.grant = grant;
    this.author = peer.author;
    this.sessions = grant === undefined || grant.capability.sessions === '*' ? undefined : grant.capability.sessions;
    this.audited = peer.audited;
    this.signal = peer.signal;
  }
}
