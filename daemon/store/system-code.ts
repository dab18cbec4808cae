// The name of an error of the system.

/** EDQUOT, for which Node has no name: it says `Unknown system error -122`. */
const overQuota = process.platform === 'darwin' ? -69 : -122;

/** `ENOSPC`, `EROFS` and so on; '' where it is no error of the system. */
export function systemCode(error: unknown): string {
  const { code = '', errno } = error as NodeJS.ErrnoException;
  return errno === overQuota ? 'EDQUOT' : code;
}
