/* Values of settings, so that they can be compared: 64mb is 67108864. */

const SIZES: Readonly<Record<string, number>> = { '': 1, b: 1, k: 1e3, kb: 1024, m: 1e6, mb: 1024 ** 2, g: 1e9, gb: 1024 ** 3, tb: 1024 ** 4 };
const TIMES_MS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60000, min: 60000, h: 3600000, d: 86400000 };

export interface Setting {
  readonly name: string;
  readonly section: string;
  readonly type: string;
  readonly unit: string;
  readonly fallback: string;
  readonly running: boolean;
  readonly secret: boolean;
  readonly choices: readonly string[];
  readonly about: string;
}

function plain(setting: Setting, text: string): string {
  const found = /^(-?\d+(?:\.\d+)?)([a-z]*)$/i.exec(text.trim());
  if (!found) return text.trim().toLowerCase();
  const value = Number(found[1]);
  const unit = found[2]!.toLowerCase();
  if (setting.type === 'size' && unit in SIZES) return String(value * SIZES[unit]!);
  if (setting.type === 'duration') return String(value * TIMES_MS[unit || setting.unit || 'ms']!);
  return text.trim().toLowerCase();
}

/* Undefined: the default is worked out on the machine, so nobody here can tell. */
export function isChanged(setting: Setting, value: string): boolean | undefined {
  if (setting.fallback === 'auto' || setting.fallback.endsWith('%')) return undefined;
  if (setting.type === 'output_limit' || setting.type === 'events' || setting.type === 'list') {
    return setting.fallback.split(/\s+/).map(word => plain({ ...setting, type: 'size' }, word)).join(' ') !== value.trim().toLowerCase();
  }
  return plain(setting, setting.fallback) !== plain(setting, value);
}
