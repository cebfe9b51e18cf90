/* What counters say of the time between two readings. */

/* A counter that has become smaller began anew in between (a restart, CONFIG RESETSTAT): what it shows has come since. */
export function growth(before: number, now: number): number {
  return now >= before ? now - before : now;
}

/* In a second. Undefined: there is nothing to compare, or no time has passed. */
export function rate(before: number | undefined, now: number | undefined, seconds: number): number | undefined {
  if (before === undefined || now === undefined || !(seconds > 0)) return undefined;
  return growth(before, now) / seconds;
}

/* Between 0 and 1; undefined where there is nothing of which it could be a part. */
export function ratio(part: number | undefined, rest: number | undefined): number | undefined {
  if (part === undefined || rest === undefined || part + rest <= 0) return undefined;
  return part / (part + rest);
}
