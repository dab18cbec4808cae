// Requests as node:http makes them, but for what they ask to become: an upgrade that is not to WebSocket is ignored (RFC 9110,
// 7.8). Node hands each one on as an upgrade as soon as somebody listens for these.
import { IncomingMessage } from 'node:http';

const asked = Symbol('asked for an upgrade');

type Asked = { [asked]?: unknown };

export class Incoming extends IncomingMessage {
  get upgrade(): boolean {
    return Boolean((this as Asked)[asked]) && this.headers.upgrade?.toLowerCase() === 'websocket';
  }

  // Not a private member: Node sets it while it constructs what this stands on.
  set upgrade(value: unknown) {
    (this as Asked)[asked] = value;
  }
}
