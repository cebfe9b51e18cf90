#include "core/http/http_address.h"

#include "base/glob.h"

enum { PORT_DIGITS_MAX = 5, NAME_MAX_SIZE = 255 };

static bool is_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

static bool is_name_byte(uint8_t byte) {
    return is_digit(byte) || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
           (byte && strchr("-._~!$&'()*+,;=%", byte));
}

static bool is_six_byte(uint8_t byte) {
    uint8_t small = byte | 0x20;
    return is_digit(byte) || (small >= 'a' && small <= 'f') || byte == ':' || byte == '.';
}

bool http_authority_split(struct slice authority, struct slice *ret_host, struct slice *ret_port) {
    size_t at = 0;
    bool six = authority.size && authority.data[0] == '[';
    if (six) {
        at = 1;
        while (at < authority.size && is_six_byte(authority.data[at]))
            at++;
        if (at < 4 || at == authority.size || authority.data[at++] != ']')
            return false;
    } else {
        while (at < authority.size && is_name_byte(authority.data[at]))
            at++;
    }
    struct slice host = slice_part(authority, 0, at), port = {0};
    if (at < authority.size) {
        port = slice_part(authority, at + 1, SIZE_MAX);
        if (authority.data[at] != ':' || port.size > PORT_DIGITS_MAX)
            return false;
    }
    for (size_t i = 0; i < port.size; i++)
        if (!is_digit(port.data[i]))
            return false;
    if (!host.size || host.size > NAME_MAX_SIZE)
        return false;
    *ret_host = host;
    *ret_port = port;
    return true;
}

bool http_host_is_address(struct slice host) {
    if (host.size && host.data[0] == '[')
        return true; /* as http_authority_split lets it through */
    unsigned parts = 0;
    size_t at = 0;
    for (; parts < 4; parts++) {
        unsigned value = 0, digits = 0;
        while (at < host.size && is_digit(host.data[at]) && digits < 4) {
            value = value * 10 + host.data[at++] - '0';
            digits++;
        }
        if (digits == 0 || digits > 3 || value > 255)
            return false;
        if (parts < 3 && (at == host.size || host.data[at++] != '.'))
            return false;
    }
    return at == host.size;
}

bool http_host_matches(struct slice host, const struct slice *patterns, size_t count) {
    if (host.size && host.data[host.size - 1] == '.')
        host.size--;
    for (size_t i = 0; i < count; i++)
        if (glob_matches(patterns[i], host, true))
            return true;
    return false;
}
