#include "base/json_text.h"

#include "base/utf8.h"

enum { ESCAPED_SIZE = 6, NO_DIGIT = 64 };

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static bool is_plain(uint8_t byte) { return byte >= 0x20 && byte != '"' && byte != '\\'; }

size_t json_string_size(struct slice text) {
    size_t size = 2;
    for (size_t at = 0, step; at < text.size; at += step) {
        uint8_t byte = text.data[at];
        uint32_t point;
        step = utf8_read(text, at, &point);
        if (step == 0)
            return 0;
        size += byte < 0x20 ? ESCAPED_SIZE : is_plain(byte) ? step : 2;
    }
    return size;
}

static enum status write_string(struct buf *to, struct slice text) {
    static const char hex[] = "0123456789abcdef";
    TRY(buf_append(to, "\"", 1));
    for (size_t at = 0; at < text.size;) {
        size_t plain = at;
        while (plain < text.size && is_plain(text.data[plain]))
            plain++;
        TRY(buf_append(to, text.data + at, plain - at));
        at = plain;
        if (at == text.size)
            break;
        uint8_t byte = text.data[at++];
        char escaped[ESCAPED_SIZE] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
        if (byte >= 0x20)
            escaped[1] = (char)byte;
        TRY(buf_append(to, escaped, byte >= 0x20 ? 2 : ESCAPED_SIZE));
    }
    return buf_append(to, "\"", 1);
}

enum status json_base64_write(struct buf *to, struct slice bytes) {
    TRY(buf_append_slice(to, SLICE("{\"base64\":\"")));
    TRY(buf_reserve(to, bytes.size / 3 * 4 + 8));
    for (size_t at = 0; at < bytes.size; at += 3) {
        size_t left = bytes.size - at;
        uint32_t bits = (uint32_t)bytes.data[at] << 16 | (left > 1 ? (uint32_t)bytes.data[at + 1] << 8 : 0) |
                        (left > 2 ? bytes.data[at + 2] : 0u);
        uint8_t *four = to->data + to->size;
        four[0] = (uint8_t)base64_digits[bits >> 18];
        four[1] = (uint8_t)base64_digits[bits >> 12 & 63];
        four[2] = (uint8_t)(left > 1 ? base64_digits[bits >> 6 & 63] : '=');
        four[3] = (uint8_t)(left > 2 ? base64_digits[bits & 63] : '=');
        to->size += 4;
    }
    return buf_append_slice(to, SLICE("\"}"));
}

enum status json_text_write(struct buf *to, struct slice text) {
    size_t size = json_string_size(text);
    if (size == 0)
        return json_base64_write(to, text);
    TRY(buf_reserve(to, size));
    return write_string(to, text);
}

/* 64: none. */
static uint32_t digit_value(uint8_t digit) {
    if (digit >= 'A' && digit <= 'Z')
        return digit - 'A';
    if (digit >= 'a' && digit <= 'z')
        return 26u + (digit - 'a');
    if (digit >= '0' && digit <= '9')
        return 52u + (digit - '0');
    return digit == '+' ? 62 : digit == '/' ? 63 : NO_DIGIT;
}

enum status json_base64_read(struct slice digits, struct buf *to) {
    size_t padding = 0;
    if (digits.size % 4)
        return STATUS_INVALID;
    while (padding < 2 && padding < digits.size && digits.data[digits.size - 1 - padding] == '=')
        padding++;
    TRY(buf_reserve(to, digits.size / 4 * 3));
    for (size_t at = 0; at < digits.size; at += 4) {
        size_t missing = at + 4 == digits.size ? padding : 0;
        uint32_t bits = 0;
        for (size_t i = 0; i < 4; i++) {
            uint32_t value = i < 4 - missing ? digit_value(digits.data[at + i]) : 0;
            if (value == NO_DIGIT)
                return STATUS_INVALID;
            bits = bits << 6 | value;
        }
        if (bits & ((1u << 8 * missing) - 1))
            return STATUS_INVALID;
        for (size_t i = 0; i < 3 - missing; i++)
            to->data[to->size++] = (uint8_t)(bits >> (16 - 8 * i));
    }
    return STATUS_OK;
}
