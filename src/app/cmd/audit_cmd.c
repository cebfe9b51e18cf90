/* app/cmd/audit_cmd.c: AUDIT. */
#include "app/cmd/audit_cmd.h"

#include "app/cmd/commands.h"
#include "app/cmd/counts.h"

struct count {
    const char *name;
    uint64_t value;
};

void audit_each_count(const struct cmd_audit_counts *counts,
                      void (*visit)(void *context, const char *name, uint64_t value), void *context) {
    const struct count list[] = {
        {"audit_keyed", counts->keyed},
        {"audit_written", counts->written},
        {"audit_lost", counts->lost},
        {"audit_waiting", counts->waiting},
        {"audit_waiting_bytes", counts->waiting_bytes},
        {"audit_holding", counts->holds},
        {"audit_failing", counts->fails},
        {"audit_refusing", counts->refuses},
        {"audit_failures", counts->failures},
        {"audit_error", (uint64_t)counts->error},
        {"audit_written_bytes", counts->bytes},
        {"audit_lines", counts->lines},
        {"audit_file", counts->file},
        {"audit_file_bytes", counts->file_bytes},
    };
    visit(context, "audit_enabled", counts->enabled);
    for (size_t i = 0; counts->enabled && i < sizeof list / sizeof *list; i++)
        visit(context, list[i].name, list[i].value);
}

void cmd_audit_status(struct cmd_call *call) {
    struct cmd_audit_counts counts = {.enabled = false};
    struct cmd_server *server = call->env->server;
    uint32_t count = 0;
    if (server->api->audit)
        server->api->audit(server, &counts);
    audit_each_count(&counts, counts_count, &count);
    reply_map(call->reply, count + counts.enabled);
    audit_each_count(&counts, counts_reply, call);
    if (counts.enabled) {
        reply_bulk_string(call->reply, "audit_last_hash");
        reply_bulk_string(call->reply, counts.last_hash);
    }
}

void cmd_audit_rotate(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    if (server->api->audit_rotate && server->api->audit_rotate(server))
        reply_ok(call->reply);
    else
        reply_error(call->reply, SLICE("ERR there is no audit log: the server was started without `audit-dir`"));
}
