// What a row of the table is: one number of ours beside its floor, both measured in the same run on the same filesystem.
import type { Home } from '../../test/support/home.ts';

export type Unit = 'per second' | 'ms' | 'MB' | 'bytes' | '% of a core';
/** What DESIGN.md, "Numbers to reach", asks of ours / floor. */
export type Target = { atLeast: number } | { atMost: number };

export type Setting = {
  /** Holds all files of the row, the floor's too, so that both pay for the same fsync. */
  home: Home;
  /** The daemon's bundle. */
  daemonPath: string;
  /** Where the daemon leaves its CPU profile. */
  profileFolder: string | undefined;
  /** Where grown stores are kept from one run to the next. */
  storesFolder: string | undefined;
  /** Few operations: to see that the row runs, not to measure. */
  quick: boolean;
};

/** A row under way. Each call measures one round anew; they never run at the same time. */
export interface Measuring {
  /** What of the floor is known only here. */
  floorNote?: string;
  floor(): Promise<number>;
  ours(): Promise<number>;
  /** Ends every process that it started. */
  close(): Promise<void>;
}

/** Why a row cannot be measured on this machine. */
export type LeftOut = { leftOut: string };

export type Row = {
  what: string;
  floor: string;
  unit: Unit;
  /** Null: for comparison only. */
  target: Target | null;
  /** At most so many rounds, where each takes minutes or gives the same figure. */
  maxRounds?: number;
  open(setting: Setting): Promise<Measuring | LeftOut>;
};

/** The middle one: half of `values` are not above it. */
export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)]!;
}

/** 99 of 100 are not above it. */
export function p99(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) * 0.99)]!;
}

/** How long each of `count` calls takes, one after another, ms. */
export async function timesMs(count: number, run: () => Promise<unknown>): Promise<number[]> {
  const taken: number[] = [];
  while (taken.length < count) {
    const start = performance.now();
    await run();
    taken.push(performance.now() - start);
  }
  return taken;
}

/** How many `run` does a second. */
export async function ratePerSecond(count: number, run: () => unknown): Promise<number> {
  const start = performance.now();
  await run();
  return (count / (performance.now() - start)) * 1000;
}
