#include "app/link/place.h"

#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "base/number.h"

void server_place_text(const struct server_place *place, char *ret_text, size_t size) {
    const char *host = place->host ? place->host : "127.0.0.1";
    if (place->socket)
        snprintf(ret_text, size, "%s", place->socket);
    else
        snprintf(ret_text, size, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host,
                 place->port ? place->port : SERVER_PORT);
}

/* In place. False: a % that is no byte, or is a NUL. */
static bool decode_percent(char *text) {
    char *to = text;
    for (const char *at = text; *at; at++) {
        if (*at != '%') {
            *to++ = *at;
            continue;
        }
        int high = hex_value((uint8_t)at[1]), low = high < 0 ? -1 : hex_value((uint8_t)at[2]);
        if (low < 0 || (high | low) == 0)
            return false;
        *to++ = (char)(high << 4 | low);
        at += 2;
    }
    *to = 0;
    return true;
}

static bool read_uri_user(char *user, struct server_place *place) {
    char *colon = strchr(user, ':');
    if (colon)
        *colon++ = 0;
    if (!decode_percent(user) || (colon && !decode_percent(colon)))
        return false;
    /* "secret@host" and ":secret@host" are a password without a user. */
    place->password = colon ? colon : user;
    place->user = colon && user[0] ? user : NULL;
    return true;
}

static bool read_uri_host(char *host, struct server_place *place) {
    char *colon = strrchr(host, ':');
    int64_t port;
    if (host[0] == '[') {
        char *end = strchr(host++, ']');
        if (!end || (end[1] && end[1] != ':'))
            return false;
        colon = end[1] ? end + 1 : NULL;
        *end = 0;
    }
    if (colon) {
        *colon++ = 0;
        if (!number_parse_i64(slice_from_string(colon), &port) || port < 1 || port > SERVER_PORT_MAX)
            return false;
        place->port = (uint16_t)port;
    }
    if (host[0])
        place->host = host;
    return true;
}

bool server_place_read_uri(char *text, struct server_place *place) {
    char *at = NULL;
    if (strncmp(text, "redis://", 8) == 0)
        at = text + 8;
    else if (strncmp(text, "rediss://", 9) == 0)
        at = text + 9;
    if (!at)
        return false;
    place->tls.used = place->tls.used || text[5] == 's';
    char *slash = strchr(at, '/'), *user_end;
    int64_t db;
    if (slash) {
        *slash++ = 0;
        if (*slash && (!number_parse_i64(slice_from_string(slash), &db) || db < 0 || db > SERVER_DB_MAX))
            return false;
        place->db = *slash ? (int)db : place->db;
    }
    user_end = strrchr(at, '@');
    if (user_end) {
        *user_end = 0;
        if (!read_uri_user(at, place))
            return false;
        at = user_end + 1;
    }
    return read_uri_host(at, place);
}
