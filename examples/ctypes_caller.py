#!/usr/bin/env python3
"""A cache in a Python process, through ctypes and without any module to build.

    LD_LIBRARY_PATH=PREFIX/lib python3 ctypes_caller.py
"""

import ctypes

OK, MISS, TOO_SMALL = 0, 1, -5


class Cache:
    """The calls that a program needs most; bytes in, bytes out."""

    def __init__(self, description):
        self.library = ctypes.CDLL("libstrata.so.0")
        handle, data, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
        self.library.strata_open.argtypes = [data, ctypes.c_void_p, ctypes.POINTER(handle)]
        self.library.strata_close.argtypes = [handle]
        self.library.strata_close.restype = None
        self.library.strata_status_text.restype = data
        self.library.strata_get.argtypes = [handle, data, size, ctypes.c_void_p, size, ctypes.POINTER(size)]
        self.library.strata_set.argtypes = [handle, data, size, data, size, ctypes.c_void_p, ctypes.c_void_p]
        self.library.strata_increment.argtypes = [handle, data, size, ctypes.c_int64, ctypes.c_void_p,
                                                  ctypes.POINTER(ctypes.c_int64)]
        self.library.strata_delete.argtypes = [handle, data, size]
        self.handle = handle()
        self._check(self.library.strata_open(description.encode(), None, ctypes.byref(self.handle)))

    def _check(self, status):
        if status < 0:
            raise RuntimeError(self.library.strata_status_text(status).decode())
        return status == OK

    def get(self, key):
        room, size = 4096, ctypes.c_size_t()
        while True:
            buffer = ctypes.create_string_buffer(room)
            status = self.library.strata_get(self.handle, key, len(key), buffer, room, ctypes.byref(size))
            if status != TOO_SMALL:
                return buffer.raw[:size.value] if self._check(status) else None
            room = size.value

    def set(self, key, value):
        self._check(self.library.strata_set(self.handle, key, len(key), value, len(value), None, None))

    def increment(self, key, delta=1):
        value = ctypes.c_int64()
        self._check(self.library.strata_increment(self.handle, key, len(key), delta, None, ctypes.byref(value)))
        return value.value

    def delete(self, key):
        return self._check(self.library.strata_delete(self.handle, key, len(key)))

    def close(self):
        self.library.strata_close(self.handle)
        self.handle = None


def main():
    cache = Cache("memory:8mb,entries=1000")
    cache.set(b"greeting", b"hello from Python")
    cache.set(b"large", bytes(1000000))
    for _ in range(41):
        cache.increment(b"visits")
    print(cache.get(b"greeting").decode(), len(cache.get(b"large")), cache.increment(b"visits"), cache.get(b"nothing"),
          cache.delete(b"greeting"), cache.delete(b"greeting"))
    cache.close()


if __name__ == "__main__":
    main()
