/* core/proto/resp_escape.h: what a letter behind a backslash means in words of inline commands, on the wire and at a prompt.
 *
 * Threads: no state.
 */
#ifndef STRATA_CORE_PROTO_RESP_ESCAPE_H
#define STRATA_CORE_PROTO_RESP_ESCAPE_H

#include <stdint.h>

/* Itself, if it has no meaning of its own. */
static inline uint8_t resp_unescape(uint8_t byte) {
    switch (byte) {
        case 'n':
            return '\n';
        case 'r':
            return '\r';
        case 't':
            return '\t';
        case 'b':
            return '\b';
        case 'a':
            return '\a';
        default:
            return byte;
    }
}

#endif
