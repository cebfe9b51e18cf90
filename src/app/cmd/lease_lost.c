#include "app/cmd/lease_lost.h"

#include "app/cmd/sentence.h"

static const char *const texts[LEASE_ENDS] = {
    [LEASE_TIMED_OUT] = "the lease ran out too long ago",
    [LEASE_WRITTEN] = "the key was written since",
    [LEASE_DELETED] = "the key was deleted since",
    [LEASE_INVALIDATED] = "the key was invalidated since",
    [LEASE_FLUSHED] = "the database was flushed since",
    [LEASE_SWAPPED] = "the database was swapped since",
    [LEASE_RULED] = "the rules have changed since",
    [LEASE_RELEASED] = "the lease was given up",
    [LEASE_USED] = "the token was used before",
    [LEASE_OF_TAG] = "one of the tags was invalidated since",
    [LEASE_OF_OTHER_KEY] = "the token is for another key",
    [LEASE_UNKNOWN] = "no lease has this token",
};

static const struct cmd_spec *spec_of(uint32_t index) {
    for (uint32_t i = 0; i < cmd_table_count; i++) {
        if (cmd_table[i].index == index)
            return &cmd_table[i];
        for (uint32_t s = 0; s < cmd_table[i].subcommand_count; s++)
            if (cmd_table[i].subcommands[s].index == index)
                return &cmd_table[i].subcommands[s];
    }
    return NULL;
}

/* What the history knows of it, if that is what ended the lease. */
static bool is_in_history(struct cmd_call *call, const struct cmd_lease_lost *lost, struct slice tag,
                          struct cmd_gone *gone) {
    struct cmd_server *server = call->env->server;
    uint32_t place = cache_place_of(call->env->cache, call->client->db);
    if (!server->api->gone)
        return false;
    if (lost->end == LEASE_OF_TAG)
        return tag.size && server->api->tag_gone(server, tag, lost->stamp, true, gone);
    bool known = lost->end == LEASE_FLUSHED
                     ? server->api->flushed(server, place, call->argv[1], gone)
                     : lost->end != LEASE_WRITTEN && server->api->gone(server, place, call->argv[1], gone);
    return known && gone->client == lost->client && gone->spec && gone->spec->index == lost->command;
}

void lease_lost_reply(struct cmd_call *call, const struct cmd_lease_lost *lost, struct slice tag) {
    struct sentence sentence = {.size = 0};
    struct cmd_gone gone;
    sentence_say(&sentence, "LEASELOST ");
    if (lost->end == LEASE_OF_TAG && tag.size) {
        sentence_tag(&sentence, tag);
        sentence_say(&sentence, " was invalidated since");
    } else {
        sentence_say(&sentence, "%s", texts[lost->end]);
    }
    if (is_in_history(call, lost, tag, &gone)) {
        sentence_say(&sentence, ", by ");
        sentence_author(&sentence, &gone);
    } else if (lost->client && spec_of(lost->command)) {
        sentence_say(&sentence, ", by ");
        sentence_command(&sentence, spec_of(lost->command));
        sentence_say(&sentence, " of client %llu", (unsigned long long)lost->client);
    }
    reply_error(call->reply, slice_make(sentence.text, sentence.size));
}
