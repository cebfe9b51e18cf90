#include "app/link/server_link.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/terminal_text.h"
#include "core/cache/cache.h"

enum { PIECE = 256 * 1024, WORDS_MAX = 8, KEEP = 1 << 20, ARENA_CHUNK = 64 * 1024 };

static bool fail(struct server_link *link, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool fail(struct server_link *link, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(link->problem, sizeof link->problem, format, arguments);
    va_end(arguments);
    return false;
}

/* ------------------------------------------------------------------------------------------ bytes */

static bool broke(struct server_link *link) {
    return fail(link, "the connection to the server broke: %s", server_wire_reason(&link->wire));
}

short server_link_events(const struct server_link *link, bool has_bytes) {
    return server_wire_events(&link->wire, has_bytes);
}

bool server_link_push(struct server_link *link, struct slice bytes, size_t *ret_size) {
    enum status status = server_wire_write(&link->wire, bytes, ret_size);
    return status == STATUS_OK || status == STATUS_AGAIN || broke(link);
}

bool server_link_send(struct server_link *link) {
    size_t sent = 0, size;
    while (sent < link->out.size) {
        if (!server_link_push(link, slice_part(buf_slice(&link->out), sent, SIZE_MAX), &size))
            return false;
        sent += size;
        if (size == 0) /* TLS may want to read first */
            MAYBE(!server_wire_wait(&link->wire, link->wire.tls ? server_link_events(link, true) : POLLOUT, -1));
    }
    buf_clear(&link->out);
    buf_shrink(&link->out, KEEP);
    return true;
}

/* STATUS_AGAIN as success, with nothing received. */
static bool pull(struct server_link *link, bool *ret_came) {
    size_t size;
    buf_consume(&link->in, link->taken);
    link->taken = 0;
    if (link->in.size < KEEP) /* a reply that is coming in keeps the room it has got */
        buf_shrink(&link->in, KEEP);
    if (buf_reserve(&link->in, PIECE) != STATUS_OK)
        return fail(link, "there is not enough memory for a reply");
    enum status status =
        server_wire_read(&link->wire, link->in.data + link->in.size, link->in.capacity - link->in.size, &size);
    link->in.size += size;
    *ret_came = size > 0;
    if (status == STATUS_CLOSED)
        return fail(link, "the server has closed the connection");
    return status == STATUS_OK || status == STATUS_AGAIN || broke(link);
}

bool server_link_pull(struct server_link *link) {
    bool came;
    return pull(link, &came);
}

static bool receive(struct server_link *link) {
    for (;;) {
        bool came = false;
        if (!pull(link, &came))
            return false;
        if (came)
            return true;
        MAYBE(!server_wire_wait(&link->wire, server_link_events(link, false), -1));
    }
}

/* ------------------------------------------------------------------------------------------ requests and replies */

bool server_link_add(struct server_link *link, const struct slice *words, size_t count) {
    return resp_request_write(&link->out, words, count) == STATUS_OK || fail(link, "there is not enough memory");
}

bool server_link_take(struct server_link *link, struct resp_value *ret_reply, bool *ret_there) {
    struct resp_reply_item item;
    struct slice input = slice_part(buf_slice(&link->in), link->taken, SIZE_MAX);
    *ret_there = false;
    arena_reset(&link->arena);
    enum resp_reply_result result = resp_reply_skip(&link->scanner, input, &item);
    if (result == RESP_REPLY_ERROR && slice_starts_with(input, SLICE("HTTP/")))
        return fail(link, "what the server says is HTTP: this is another of its ports, or another server");
    if (result == RESP_REPLY_ERROR)
        return fail(link, "what the server says is not RESP: %s", link->scanner.error);
    if (result != RESP_REPLY_DONE)
        return true;
    struct slice reply = slice_make(link->in.data + link->taken, item.size);
    link->taken += item.size;
    *ret_there = true;
    return resp_reply_build(reply, &link->arena, ret_reply) == STATUS_OK ||
           fail(link, "there is not enough memory for a reply");
}

bool server_link_read(struct server_link *link, struct resp_value *ret_reply) {
    for (;;) {
        bool there;
        if (!server_link_take(link, ret_reply, &there))
            return false;
        if (there)
            return true;
        if (!receive(link))
            return false;
    }
}

bool server_link_is_due(const struct server_link *link, int timeout_ms) {
    return link->in.size > link->taken || server_wire_wait(&link->wire, server_link_events(link, false), timeout_ms);
}

bool server_link_ask(struct server_link *link, const char *line, struct resp_value *ret_reply) {
    struct slice words[WORDS_MAX];
    size_t count = 0;
    for (const char *at = line; *at && count < WORDS_MAX;) {
        size_t size = strcspn(at, " ");
        words[count++] = slice_make(at, size);
        at += size + (at[size] == ' ');
    }
    return server_link_add(link, words, count) && server_link_send(link) && server_link_read(link, ret_reply);
}

/* ------------------------------------------------------------------------------------------ begin and end */

static bool ask_well(struct server_link *link, const struct slice *words, size_t count) {
    struct resp_value reply;
    if (!server_link_add(link, words, count) || !server_link_send(link) || !server_link_read(link, &reply))
        return false;
    char shown[300];
    terminal_text_copy(reply.text, shown, sizeof shown);
    link->refused = resp_type_is_error(reply.type);
    return !link->refused || fail(link, "the server answers: %s", shown);
}

static bool introduce(struct server_link *link, const struct server_place *place) {
    char digits[16];
    if (place->password) {
        struct slice words[3] = {SLICE("AUTH")};
        size_t count = 1;
        if (place->user)
            words[count++] = slice_from_string(place->user);
        words[count++] = slice_from_string(place->password);
        if (!ask_well(link, words, count))
            return false;
    }
    if (place->protocol) {
        const struct slice hello[] = {SLICE("HELLO"), slice_from_string(place->protocol == 3 ? "3" : "2")};
        if (!ask_well(link, hello, 2))
            return false;
    }
    snprintf(digits, sizeof digits, "%d", place->db);
    const struct slice select[] = {SLICE("SELECT"), slice_from_string(digits)};
    if (place->db && !ask_well(link, select, 2))
        return false;
    const struct slice service[] = {SLICE("CLIENT"), SLICE("SERVICE"),
                                    slice_from_string(place->service ? place->service : "")};
    return !place->service || ask_well(link, service, 3);
}

bool server_link_open_with(struct server_link *link, const struct server_place *place, struct tls_context *context) {
    *link = (struct server_link){.wire.fd = -1};
    buf_init(&link->out, &memory_libc);
    buf_init(&link->in, &memory_libc);
    arena_init(&link->arena, &memory_libc, ARENA_CHUNK);
    const struct resp_reply_limits limits = {CACHE_VALUE_SIZE_MAX, 1u << 24};
    resp_reply_scanner_init(&link->scanner, &limits);
    return server_wire_open(&link->wire, place, context, link->problem) && introduce(link, place);
}

bool server_link_open(struct server_link *link, const struct server_place *place) {
    struct tls_context *context;
    char problem[SERVER_PROBLEM_SIZE];
    if (!server_wire_trust(place, &context, problem)) {
        *link = (struct server_link){.wire.fd = -1};
        snprintf(link->problem, sizeof link->problem, "%s", problem);
        return false;
    }
    bool open = server_link_open_with(link, place, context);
    link->tls_context = context;
    return open;
}

struct server_wire server_link_take_wire(struct server_link *link) {
    struct server_wire wire = link->wire;
    ASSERT(!link->tls_context && link->in.size == link->taken && link->out.size == 0);
    link->wire = (struct server_wire){.fd = -1};
    return wire;
}

void server_link_close(struct server_link *link) {
    server_wire_close(&link->wire);
    if (link->tls_context)
        tls_context_free(link->tls_context);
    link->tls_context = NULL;
    buf_fini(&link->out);
    buf_fini(&link->in);
    arena_fini(&link->arena);
}
