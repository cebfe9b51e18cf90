"""Reads DUMP payloads, independently of either server: string values, plain, as integers or LZF-compressed."""

import struct


def crc64(data):
    """CRC-64 as payloads carry it (Jones polynomial, reflected)."""
    crc = 0
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc


def _table():
    table = []
    for index in range(256):
        crc = index
        for _ in range(8):
            crc = (crc >> 1) ^ (0x95AC9329AC4BC9B5 if crc & 1 else 0)
        table.append(crc)
    return table


_TABLE = _table()


def lzf_expand(data, size):
    out = bytearray()
    at = 0
    while at < len(data):
        control = data[at]
        at += 1
        if control < 32:
            out += data[at : at + control + 1]
            at += control + 1
            continue
        length = control >> 5
        if length == 7:
            length += data[at]
            at += 1
        back = ((control & 31) << 8) + data[at] + 1
        at += 1
        for _ in range(length + 2):
            out.append(out[-back])
    if len(out) != size:
        raise AssertionError("LZF data of the wrong size")
    return bytes(out)


def _length(data, at):
    """(value, special, next)"""
    first = data[at]
    kind = first >> 6
    if kind == 0:
        return first & 63, False, at + 1
    if kind == 1:
        return (first & 63) << 8 | data[at + 1], False, at + 2
    if kind == 3:
        return first & 63, True, at + 1
    if first == 0x80:
        return struct.unpack(">I", data[at + 1 : at + 5])[0], False, at + 5
    return struct.unpack(">Q", data[at + 1 : at + 9])[0], False, at + 9


def payload_value(payload):
    """The string in a payload. Raises when it is not a string or does not end where it should."""
    if payload[0] != 0:
        raise AssertionError(f"type {payload[0]} is not a string")
    body = payload[:-10]
    value, special, at = _length(body, 1)
    if not special:
        result = body[at : at + value]
        at += value
    elif value in (0, 1, 2):
        size = 1 << value
        result = b"%d" % int.from_bytes(body[at : at + size], "little", signed=True)
        at += size
    elif value == 3:
        packed, _, at = _length(body, at)
        size, _, at = _length(body, at)
        result = lzf_expand(body[at : at + packed], size)
        at += packed
    else:
        raise AssertionError(f"encoding {value}")
    if at != len(body):
        raise AssertionError("bytes after the value")
    return result


def payload(value, version=10):
    """A payload of our own making, with the value as plain bytes."""
    size = len(value)
    if size < 64:
        head = bytes([size])
    elif size < 16384:
        head = bytes([0x40 | size >> 8, size & 255])
    else:
        head = b"\x80" + struct.pack(">I", size)
    body = b"\x00" + head + value + struct.pack("<H", version)
    return body + struct.pack("<Q", crc64(body))
