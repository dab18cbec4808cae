// What systemd's user manager knows of the two units.
import type { Context } from '../context.ts';
import { serviceUnit, socketUnit } from './held-socket.ts';
import type { Ran } from './run-manager.ts';
import { runManager } from './run-manager.ts';

/** As systemctl names them: `active`, `inactive`, `failed`; `enabled`, `disabled`. `pid`: of the process that runs. */
export type UnitState = { active: string; file: string; pid: number | null };

export type UnitStates = { unreachable: string } | { socket: UnitState; service: UnitState };

export function systemctl(context: Pick<Context, 'env'>, ...args: string[]): Promise<Ran> {
  return runManager(context, 'systemctl', ['--user', ...args]);
}

/** Never rejects. */
export async function unitStates(context: Pick<Context, 'env'>): Promise<UnitStates> {
  const properties = '--property=Id,ActiveState,UnitFileState,MainPID';
  const { code, stdout, stderr } = await systemctl(context, 'show', properties, socketUnit, serviceUnit);
  if (code !== 0) return { unreachable: stderr || `systemctl ended with ${code}` };
  const blocks = stdout.split(/\n{2,}/).map((block) => new Map(block.split('\n').map(pairOf)));
  const stateOf = (unit: string): UnitState => {
    const found = blocks.find((block) => block.get('Id') === unit);
    const pid = Number(found?.get('MainPID') ?? 0);
    return {
      active: found?.get('ActiveState') ?? 'inactive',
      file: found?.get('UnitFileState') ?? '',
      pid: pid > 0 ? pid : null,
    };
  };
  return { socket: stateOf(socketUnit), service: stateOf(serviceUnit) };
}

function pairOf(line: string): [string, string] {
  const at = line.indexOf('=');
  return [line.slice(0, at), line.slice(at + 1)];
}
