/* Requests as arrays of bulk strings, and replies of RESP2 and RESP3. */
#include <stdarg.h>
#include <string.h>

#include "truth.h"

static void add_bytes(struct player *player, const char *bytes, size_t size) {
    ASSERT(player->size + size < sizeof player->request);
    memcpy(player->request + player->size, bytes, size);
    player->size += size;
}

static void add_word(struct player *player, const char *word, size_t size) {
    char head[32];
    add_bytes(player, head, (size_t)snprintf(head, sizeof head, "$%zu\r\n", size));
    add_bytes(player, word, size);
    add_bytes(player, "\r\n", 2);
}

/* A command of words with one space between them. */
static void add_line(struct player *player, const char *line) {
    char head[32];
    uint32_t count = 1;
    for (const char *at = line; (at = strchr(at, ' ')); at++)
        count++;
    add_bytes(player, head, (size_t)snprintf(head, sizeof head, "*%u\r\n", count));
    for (const char *at = line, *end;; at = end + 1) {
        end = strchrnul(at, ' ');
        add_word(player, at, (size_t)(end - at));
        if (!*end)
            return;
    }
}

uint32_t player_add(struct player *player, const char *lines, uint32_t row, uint32_t part) {
    char line[REQUEST_MAX];
    uint32_t count = 0;
    for (const char *from = lines; *from; count++) {
        size_t at = 0;
        for (; *from && *from != '\n'; from++) {
            ASSERT(at + 16 < sizeof line);
            if (*from == '@' || *from == '#')
                at += (size_t)snprintf(line + at, sizeof line - at, "%u", *from == '@' ? row : part);
            else
                line[at++] = *from;
        }
        line[at] = 0;
        add_line(player, line);
        from += *from == '\n';
    }
    return count;
}

void player_addf(struct player *player, const char *format, ...) {
    char line[REQUEST_MAX];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    ASSERT(size > 0 && (size_t)size < sizeof line);
    add_line(player, line);
}

void player_say(struct player *player) {
    player->request[player->size] = 0;
    peer_say(player->peer, player->request);
    player->size = 0;
}

const char *player_line(struct player *player) {
    const char *line = peer_line(player->peer);
    ASSERT(line);
    return line;
}

bool player_skip(struct player *player) {
    const char *line = player_line(player);
    if (line[0] == '-') {
        bool busy = player->truth->moving && strncmp(line, "-BUSY rules", 11) == 0;
        if (!busy)
            fprintf(stderr, "answered %s\n", line);
        ASSERT(busy);
        return false;
    }
    if (line[0] == '$' && line[1] != '-') {
        (void)player_line(player);
        return true;
    }
    bool array = line[0] == '*' || line[0] == '>' || line[0] == '~', map = line[0] == '%', done = true;
    for (int members = array || map ? atoi(line + 1) * (map ? 2 : 1) : 0; members > 0; members--)
        done &= player_skip(player);
    return done;
}

const char *player_value(struct player *player) {
    const char *line = player_line(player);
    if (line[0] == '_' || strcmp(line, "$-1") == 0)
        return NULL;
    if (line[0] != '$')
        fprintf(stderr, "answered %s\n", line);
    ASSERT(line[0] == '$');
    return player_line(player);
}
