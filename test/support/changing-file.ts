// A transcript that changes as agents change theirs, and worse, for real on disk. What is in it at each moment is kept: the
// daemon may have read any of these states, or any of their complete lines.
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { Format, Unit } from './formats.ts';
import { pathIn } from './formats.ts';
import type { Home } from './home.ts';

const nothing: Buffer = Buffer.alloc(0);

export type How = 'inPlace' | 'newInode';

export class ChangingFile {
  readonly format: Format;
  readonly sessionId: string;
  /** Every state that the file has been in, the last one last. */
  readonly states: Buffer[] = [];
  readonly #home: Home;
  #units: Unit[];
  /** What stands behind the last complete line, and what a write that was torn has still to bring. */
  #torn: Buffer = nothing;
  #rest: Buffer = nothing;
  /** The last unit, when it came in pieces. */
  #open: Unit | undefined;
  /** Whether a write was torn and never finished. */
  #damaged = false;
  #folder = 0;
  #made = 0;
  #edits = 0;

  constructor(home: Home, format: Format, sessionId: string, units: Unit[] = [format.header(sessionId)], made = 0) {
    this.#home = home;
    this.format = format;
    this.sessionId = sessionId;
    this.#units = units;
    this.#made = made;
  }

  get path(): string {
    return pathIn(this.#home, this.format, this.sessionId, this.#folder);
  }

  get isThere(): boolean {
    return existsSync(this.path);
  }

  /** New units; of what is written only this fraction arrives now, the rest with the next append. */
  append(count: number, fraction: number): void {
    const units = Array.from({ length: count }, () => {
      this.#made += 1;
      return this.format.unit(this.sessionId, this.#made);
    });
    this.#add(units, fraction);
  }

  /** A unit that is there once more. */
  repeat(index: number): void {
    const unit = this.#body()[index % Math.max(1, this.#body().length)];
    if (unit) this.#add([unit], 1);
  }

  /** Cut off: what was torn off is never written. */
  cut(fraction: number): void {
    if (!this.isThere) return;
    const bytes = readFileSync(this.path);
    const length = Math.floor(bytes.length * fraction);
    this.#rest = nothing;
    this.#damaged = true;
    if (!this.format.grows) {
      this.#save('inPlace', length);
      return;
    }
    truncateSync(this.path, length);
    const [header, ...body] = this.#units;
    this.#units = [];
    this.#torn = nothing;
    this.#arrive(bytes.subarray(0, length), [header!, ...body]);
    // Without its header a file begins with nothing that must stay.
    if (this.#units[0] !== header) this.#units.unshift([]);
    this.#remember();
  }

  drop(index: number, how: How): void {
    if (!this.#mayRewrite) return;
    const unit = this.#body()[index % Math.max(1, this.#body().length)];
    this.#units = this.#units.filter((each) => each !== unit);
    this.#save(how);
  }

  /** Moves a unit to the place of another. */
  move(from: number, to: number, how: How): void {
    const body = this.#body();
    if (body.length < 2 || !this.#mayRewrite) return;
    const [unit] = body.splice(from % body.length, 1);
    body.splice(to % body.length, 0, unit!);
    this.#units = [this.#units[0]!, ...body];
    this.#save(how);
  }

  /** Another text in a record, under the same key where it has one. */
  edit(index: number, how: How): void {
    const records = this.#body().flat();
    const record = records[index % Math.max(1, records.length)];
    this.#edits += 1;
    const edited = record && this.format.edit(record, this.#edits);
    if (!edited || !this.#mayRewrite) return;
    this.#units = this.#units.map((unit) => unit.map((each) => (each === record ? edited : each)));
    this.#save(how);
  }

  replace(): void {
    this.#save('newInode');
  }

  rename(folder: number): void {
    const before = this.path;
    const wasThere = this.isThere;
    this.#folder = folder;
    if (!wasThere || before === this.path) return;
    mkdirSync(dirname(this.path), { recursive: true });
    renameSync(before, this.path);
  }

  remove(): void {
    rmSync(this.path, { force: true });
  }

  /** Comes back as it was, if it is gone. */
  comeBack(): void {
    if (!this.isThere) this.#save('inPlace');
  }

  /** A copy with the same record ids as a session of its own. */
  fork(sessionId: string): ChangingFile {
    const own = (record: string) => record.replaceAll(this.sessionId, sessionId);
    const units = this.#units.map((unit) => unit.map(own));
    const fork = new ChangingFile(this.#home, this.format, sessionId, units, this.#made);
    fork.#damaged = this.#damaged || this.#rest.length > 0;
    fork.#save('inPlace');
    return fork;
  }

  /** Half a unit, where others stand before it, would be of another: no agent leaves a file like that. */
  get #mayRewrite(): boolean {
    return !this.format.byPlace || (!this.#damaged && this.#rest.length === 0);
  }

  /** Without the header. */
  #body(): Unit[] {
    return this.#units.slice(1);
  }

  #bytes(): Buffer {
    return Buffer.concat([Buffer.from(this.format.join(this.#units.flat())), this.#torn]);
  }

  #add(units: Unit[], fraction: number): void {
    if (!this.format.grows || !this.isThere) {
      this.#units.push(...units);
      this.#save('inPlace', this.format.grows ? undefined : Math.floor(this.#bytes().length * fraction));
      return;
    }
    const bytes = Buffer.concat([this.#rest, Buffer.from(this.format.join(units.flat()))]);
    const written = Math.max(1, Math.floor(bytes.length * fraction));
    const arrives = bytes.subarray(0, written);
    this.#rest = bytes.subarray(written);
    appendFileSync(this.path, arrives);
    this.#arrive(arrives, units);
    this.#remember();
  }

  /** Complete lines that are those of a unit are one; others, of torn writes, stay together as they came. */
  #arrive(bytes: Buffer, units: Unit[]): void {
    const whole = Buffer.concat([this.#torn, bytes]);
    const last = whole.lastIndexOf('\n') + 1;
    this.#torn = whole.subarray(last);
    const records = whole.subarray(0, last).toString('utf8').split('\n').slice(0, -1);
    for (let from = 0; from < records.length; ) {
      const unit = units.find((each) => each.length > 0 && each.every((record, n) => records[from + n] === record));
      if (unit) {
        this.#units.push(unit);
        this.#open = undefined;
      } else if (this.#open && this.#units.at(-1) === this.#open) this.#open.push(records[from]!);
      else {
        this.#open = [records[from]!];
        this.#units.push(this.#open);
      }
      from += unit?.length ?? 1;
    }
  }

  #save(how: How, length?: number): void {
    const bytes = this.#bytes().subarray(0, length);
    this.#damaged ||= this.#rest.length > 0;
    this.#rest = nothing;
    mkdirSync(dirname(this.path), { recursive: true });
    const to = how === 'inPlace' ? this.path : `${this.path}.tmp`;
    writeFileSync(to, bytes);
    if (how === 'newInode') renameSync(to, this.path);
    this.#remember(bytes);
  }

  #remember(bytes = this.#bytes()): void {
    this.states.push(bytes);
  }
}
