/* Keys and values are bytes. In JSON they are texts, or { base64 } where they are no UTF-8; in paths they are percent-encoded. */

export type Wire = string | { readonly base64: string };

const encoder = new TextEncoder();
const strict = new TextDecoder('utf-8', { fatal: true });

export function bytesOf(wire: Wire): Uint8Array {
  if (typeof wire === 'string') return encoder.encode(wire);
  const packed = atob(wire.base64);
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
  return bytes;
}

/* The text that these bytes are, or undefined. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

export function wireOf(bytes: Uint8Array): Wire {
  const text = textOf(bytes);
  if (text !== undefined) return text;
  let packed = '';
  for (const byte of bytes) packed += String.fromCharCode(byte);
  return { base64: btoa(packed) };
}

/* For paths: every byte that is not a letter, digit or one of -._~ */
export function percentEncode(bytes: Uint8Array): string {
  let out = '';
  for (const byte of bytes) {
    const letter = String.fromCharCode(byte);
    out += /[A-Za-z0-9\-._~]/.test(letter) ? letter : '%' + byte.toString(16).toUpperCase().padStart(2, '0');
  }
  return out;
}

/* Undefined: a percent sign without two digits. */
export function percentDecode(code: string): Uint8Array | undefined {
  const out: number[] = [];
  for (let i = 0; i < code.length; i++) {
    if (code[i] !== '%') {
      out.push(...encoder.encode(code[i]));
      continue;
    }
    const pair = code.slice(i + 1, i + 3);
    if (!/^[0-9A-Fa-f]{2}$/.test(pair)) return undefined;
    out.push(parseInt(pair, 16));
    i += 2;
  }
  return new Uint8Array(out);
}

/* Names as they are shown: text, in which nothing is invisible; other bytes as \xNN. */
export function shown(wire: Wire): string {
  const bytes = bytesOf(wire);
  const text = textOf(bytes);
  if (text === undefined) return [...bytes].map(byte => (byte >= 0x20 && byte < 0x7f && byte !== 0x5c ? String.fromCharCode(byte) : hexEscape(byte))).join('');
  // Control characters, and those that turn the direction of what follows.
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, sign => {
    const code = sign.charCodeAt(0);
    return code < 0x100 ? hexEscape(code) : '\\u' + code.toString(16).padStart(4, '0');
  });
}

function hexEscape(byte: number): string {
  return '\\x' + byte.toString(16).padStart(2, '0');
}

/* 00000010  00 01 02 ...  |...| */
export function hexDump(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const pairs = row.map(byte => byte.toString(16).padStart(2, '0'));
    const left = pairs.slice(0, 8).join(' ').padEnd(23);
    const right = pairs.slice(8).join(' ').padEnd(23);
    const letters = row.map(byte => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
    lines.push(`${at.toString(16).padStart(8, '0')}  ${left}  ${right}  |${letters}|`);
  }
  return lines.join('\n');
}

/* Indented, or undefined where the text is no JSON object or array. */
export function prettyJson(text: string): string | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return undefined;
  }
}
