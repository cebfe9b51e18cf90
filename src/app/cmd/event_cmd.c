/* app/cmd/event_cmd.c: EVENT LIST, and events that no rule names: a typing error in one is not seen otherwise. */
#include "app/cmd/event_cmd.h"

#include <stdio.h>

#include "app/cmd/commands.h"
#include "app/cmd/edges.h"
#include "app/cmd/owner.h"
#include "app/cmd/server_api.h"

enum { LIST_MEMBERS = 4, DATA_SIZE = sizeof "data." - 1 };

static bool is_known(const struct rules *rules, struct slice name) {
    for (uint32_t i = 0; rules && i < rules_event_count(rules); i++)
        if (rules_pattern_matches(&rules_event(rules, i)->name, name, NULL))
            return true;
    return false;
}

void event_note(struct cmd_call *call, struct slice name) {
    struct cmd_server *server = call->env->server;
    const struct rules *rules = server ? server->api->rules_now(server, call->client, NULL) : NULL;
    char text[OWNER_TEXT_MAX];
    if (is_known(rules, name))
        return;
    atomic_fetch_add_explicit(&call->env->unknown_events, 1, memory_order_relaxed);
    if (!server || !server->api->rules_broken)
        return;
    int size = name.size < MANIFEST_NAME_MAX ? (int)name.size : MANIFEST_NAME_MAX;
    snprintf(text, sizeof text,
             "no rule names the event '%.*s', which client %llu has emitted; EVENT LIST tells those that are", size,
             size ? (const char *)name.data : "", (unsigned long long)call->client->id);
    for (char *c = text; *c; c++)
        *c = (char)((uint8_t)*c < ' ' ? '?' : *c);
    server->api->rules_broken(server, OWNER_UNKNOWN_EVENT, SLICE(""), name, text);
}

/* The parts of the data that the rules of an event need, each once. Without memory NULL. */
static struct slice *fields_of(struct cmd_call *call, const struct rules_event *event, uint32_t *ret_count) {
    struct slice *fields = arena_take(call->arena, (event->edge_count * RULES_FIELDS_MAX + 1) * sizeof *fields);
    *ret_count = 0;
    for (uint32_t e = 0; fields && e < event->edge_count; e++) {
        const struct rules_pattern *when = &event->edges[e].when;
        for (uint32_t f = 0; f < when->field_count; f++) {
            struct slice field = slice_part(when->fields[f], DATA_SIZE, SIZE_MAX);
            uint32_t at = 0;
            while (at < *ret_count && !slice_equal(fields[at], field))
                at++;
            fields[at] = field;
            *ret_count += at == *ret_count;
        }
    }
    return fields;
}

static void reply_event(struct cmd_call *call, const struct rules *rules, const struct rules_event *event) {
    struct reply *reply = call->reply;
    uint32_t count;
    const struct slice *fields = fields_of(call, event, &count);
    if (!fields) {
        reply->status = STATUS_NO_MEMORY;
        return;
    }
    reply_map(reply, LIST_MEMBERS);
    reply_bulk_string(reply, "event");
    reply_bulk(reply, event->name.text);
    reply_bulk_string(reply, "line");
    reply_integer(reply, event->place.line);
    reply_bulk_string(reply, "data");
    reply_array(reply, count);
    for (uint32_t i = 0; i < count; i++)
        reply_bulk(reply, fields[i]);
    reply_bulk_string(reply, "invalidates");
    reply_array(reply, event->edge_count);
    for (uint32_t e = 0; e < event->edge_count; e++) {
        struct edge_line line = edge_line(rules, &event->edges[e]);
        reply_bulk_string(reply, line.text);
    }
}

void cmd_event_list(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    const struct rules *rules = server ? server->api->rules_now(server, call->client, NULL) : NULL;
    uint32_t count = rules ? rules_event_count(rules) : 0;
    reply_array(call->reply, count);
    for (uint32_t i = 0; i < count; i++)
        reply_event(call, rules, rules_event(rules, i));
}
