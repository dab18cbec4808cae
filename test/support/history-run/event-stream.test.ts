// The reader of event streams is a browser's: the examples of WHATWG HTML 9.2.6 and what it leaves out, cut anywhere.
import { expect, test } from 'vitest';
import { EventStreamParser } from './event-stream.ts';

/** Per stream: its text, its events as `name id data`, the id and the wait that it leaves behind. */
const streams: [what: string, text: string, events: string[], lastEventId: string, retryMs?: number][] = [
  ['data over lines', 'data: a\ndata:\ndata: ü\n\n', ['message - a\n\nü'], 'before'],
  ['comments, names and ids', ': x\nevent: batch\nid: 1\ndata: {}\n\n', ['batch 1 {}'], '1'],
  ['an id without data', 'id: 2\n\n', [], '2'],
  ['an id that is emptied', 'id\ndata: a\n\n', ['message  a'], ''],
  ['an id with a NUL', 'id: 2\0\ndata: a\n\n', ['message - a'], 'before'],
  ['an event that was cut off', 'data: a\n\nid: 3\ndata: b\n', ['message - a'], 'before'],
  [
    'every end of a line',
    'data: a\r\ndata: b\rdata: c\n\r\ndata: d\r\r',
    ['message - a\nb\nc', 'message - d'],
    'before',
  ],
  ['one blank only', 'data:  a\n\n', ['message -  a'], 'before'],
  ['waits', 'retry: 20\nretry: 3x\ndata: a\n\n', ['message - a'], 'before', 20],
];

test.each(streams)('it reads %s, however it is cut', (_what, text, events, lastEventId, retryMs) => {
  const bytes = Buffer.from(text);
  for (let size = 1; size <= bytes.length; size += 1) {
    const parser = new EventStreamParser('before');
    const read: string[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      for (const { name, id = '-', data } of parser.push(bytes.subarray(at, at + size))) {
        read.push(`${name} ${id} ${data}`);
      }
    }
    expect([read, parser.lastEventId, parser.retryMs]).toEqual([events, lastEventId, retryMs]);
  }
});
