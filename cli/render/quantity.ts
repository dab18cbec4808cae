// Numbers as a person reads them: grouped, with their noun, and sizes in bytes.

/** A whole number in groups of three, `12,345`. */
export function grouped(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** A number with its noun, `1 file`, `2 files`. */
export function countOf(value: number, one: string, many = `${one}s`): string {
  return `${grouped(value)} ${value === 1 ? one : many}`;
}

/** A size in bytes with one decimal where that helps, `512 B`, `1.2 MB`. */
export function bytes(value: number): string {
  return scaled(value, 1000, ['B', 'kB', 'MB', 'GB', 'TB'], ' ');
}

/** A large count in short, `950`, `12.3k`, `4.5M`. */
export function short(value: number): string {
  return scaled(value, 1000, ['', 'k', 'M', 'G'], '');
}

function scaled(value: number, base: number, units: string[], space: string): string {
  let index = 0;
  let rest = value;
  while (rest >= base - 0.05 && index < units.length - 1) {
    rest /= base;
    index += 1;
  }
  const digits = index === 0 ? String(Math.round(rest)) : rest >= 100 ? rest.toFixed(0) : rest.toFixed(1);
  return `${digits}${space}${units[index]}`;
}
