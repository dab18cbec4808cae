// Times as a person reads them: how long ago, what the local clock showed, how long something took.

const [second, minute, hour, day] = [1000, 60_000, 3_600_000, 86_400_000];

/** How long before `now` something was. What is over four weeks ago gets its date; so does the future, a clock gone wrong. */
export function relativeTime(at: number, now: number): string {
  const age = now - at;
  if (age < -minute) return localDate(at);
  if (age < minute) return 'just now';
  if (age < hour) return `${Math.floor(age / minute)}m ago`;
  if (age < day) return `${Math.floor(age / hour)}h ago`;
  if (age < 28 * day) return `${Math.floor(age / day)}d ago`;
  return localDate(at);
}

/** A length of time in its two largest units. */
export function duration(ms: number): string {
  if (ms < second) return `${Math.max(0, Math.round(ms))} ms`;
  const units: [number, string][] = [
    [day, 'd'],
    [hour, 'h'],
    [minute, 'm'],
    [second, 's'],
  ];
  const largest = units.findIndex(([size]) => ms >= size);
  return units
    .slice(largest, largest + 2)
    .map(([size, name], index) => [Math.floor((index === 0 ? ms : ms % units[largest]![0]) / size), name] as const)
    .filter(([count], index) => index === 0 || count > 0)
    .map(([count, name]) => `${count}${name}`)
    .join(' ');
}

/** The local date, `2025-11-21`. */
export function localDate(at: number): string {
  const date = new Date(at);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** The local time of day, `14:03:22`. */
export function localTime(at: number): string {
  const date = new Date(at);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** Local date and time to the minute. */
export function localDateTime(at: number): string {
  return `${localDate(at)} ${localTime(at).slice(0, 5)}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
