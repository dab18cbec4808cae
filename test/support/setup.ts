// Run in each test file, in a process that runs many files one after the other: they share the modules that they import, so
// that only hooks which are registered here are those of each file.
import { afterAll, afterEach } from 'vitest';
import { undoFile, undoTest } from './daemon.ts';

afterEach(undoTest);
afterAll(undoFile);
