/* Numbers, sizes and times as people read them. What is not known is a dash. */

export const NONE = '–';

const counts = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

export function integer(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? NONE : counts.format(value);
}

function digits(value: number): string {
  const size = Math.abs(value);
  return size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function scaled(value: number, step: number, units: readonly string[]): string {
  let at = 0;
  let left = value;
  while (Math.abs(left) >= step * 0.9995 && at < units.length - 1) {
    left /= step;
    at++;
  }
  return (at === 0 ? String(Math.round(left * 100) / 100) : digits(left)) + (units[at] ?? '');
}

/* 12.3k, 4.56M */
export function short(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? NONE : scaled(value, 1000, ['', 'k', 'M', 'G', 'T']);
}

export function perSecond(value: number | undefined): string {
  return value === undefined ? NONE : short(value >= 10 ? Math.round(value) : value) + '/s';
}

export function bytes(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? NONE : scaled(value, 1024, [' B', ' KiB', ' MiB', ' GiB', ' TiB']);
}

export function percent(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return NONE;
  const of100 = value * 100;
  return (of100 === 0 || of100 === 100 ? of100.toFixed(0) : of100 >= 99.95 && of100 < 100 ? '99.9' : of100.toFixed(1)) + ' %';
}

/* From nanoseconds to days. */
export function duration(seconds: number | undefined): string {
  if (seconds === undefined || !Number.isFinite(seconds)) return NONE;
  const size = Math.abs(seconds);
  if (size === 0) return '0 s';
  if (size < 1e-6) return digits(seconds * 1e9) + ' ns';
  if (size < 1e-3) return digits(seconds * 1e6) + ' µs';
  if (size < 1) return digits(seconds * 1e3) + ' ms';
  if (size < 120) return digits(seconds) + ' s';
  if (size < 7200) return digits(seconds / 60) + ' min';
  return size < 172800 ? digits(seconds / 3600) + ' h' : digits(seconds / 86400) + ' d';
}

/* 14:03:07, in the time zone of who looks. */
export function clock(unixMs: number): string {
  const at = new Date(unixMs);
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map(part => String(part).padStart(2, '0')).join(':');
}

export function dateAndClock(unixMs: number): string {
  const at = new Date(unixMs);
  const date = [at.getFullYear(), at.getMonth() + 1, at.getDate()].map(part => String(part).padStart(2, '0')).join('-');
  return `${date} ${clock(unixMs)}`;
}
