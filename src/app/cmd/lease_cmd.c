/* app/cmd/lease_cmd.c: CGET CSET CRELEASE: of all who miss a key one loads it. */
#include "app/cmd/lease_cmd.h"

#include <stdio.h>

#include "app/cmd/commands.h"
#include "app/cmd/lease_lost.h"
#include "app/cmd/string_options.h"
#include "app/cmd/value.h"
#include "app/cmd/version.h"
#include "app/cmd/words.h"
#include "base/bits.h"
#include "core/classes/names.h"

enum { TOKEN_DIGITS = 16, NEGATIVE_MS_DEFAULT = 30 * 1000 };

static void reply_token(struct reply *reply, uint64_t token) {
    char text[TOKEN_DIGITS + 1];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)token);
    reply_bulk_string(reply, text);
}

/* Writes the error if it is none. */
static bool read_token(struct cmd_call *call, uint32_t at, uint64_t *ret_token) {
    struct slice text = call->argv[at];
    uint64_t token = 0;
    bool valid = text.size == TOKEN_DIGITS;
    for (size_t i = 0; valid && i < text.size; i++) {
        uint8_t digit = text.data[i], letter = digit | 0x20;
        bool hex = letter >= 'a' && letter <= 'f';
        valid = hex || (digit >= '0' && digit <= '9');
        token = token << 4 | (uint64_t)(hex ? letter - 'a' + 10 : digit - '0');
    }
    if (valid)
        *ret_token = token;
    else
        reply_errorf(call->reply, "ERR a token has %d hexadecimal digits, as CGET with LEASE answers it", TOKEN_DIGITS);
    return valid;
}

/* ------------------------------------------------------------------------------------------ CGET */

struct cget {
    struct slice name;
    uint32_t db, lease_ms, wait_ms;
    uint32_t stale_ms;   /* for how long a value may have been stale; 0: none is wanted */
    uint32_t early_ms;   /* what is going to expire so soon may be loaded anew */
    bool early_by_class; /* and that says the class, of values that have its TTL */
    bool bound;
    bool blocks;   /* it waits as in RESP2, also in RESP3 */
    bool versions; /* values come with their versions */
    bool pushes;   /* the answer is a push */
    uint64_t id;
    const struct cmd_lease_woken *woken; /* NULL: it has not waited yet */
};

/* The answer is a word and what belongs to it: `count` members in all. */
static void head(struct cmd_call *call, const struct cget *cget, size_t count, const char *word) {
    if (cget->pushes) {
        reply_push(call->reply, count + 2);
        reply_bulk(call->reply, SLICE("cget"));
        reply_integer(call->reply, (int64_t)cget->id);
    } else {
        reply_array(call->reply, count);
    }
    reply_bulk_string(call->reply, word);
}

/* An error stands alone, or in a push in the place of the word. */
static void head_of_error(struct cmd_call *call, const struct cget *cget) {
    if (!cget->pushes)
        return;
    reply_push(call->reply, 3);
    reply_bulk(call->reply, SLICE("cget"));
    reply_integer(call->reply, (int64_t)cget->id);
}

static void answer_load(struct cmd_call *call, const struct cget *cget, uint64_t token) {
    head(call, cget, 2, "LOAD");
    reply_token(call->reply, token);
}

/* What an edit shows, as a bulk string. */
static void reply_value(struct cmd_call *call, const struct cache_edit *edit) {
    void *bytes = reply_bulk_reserve(call->reply, edit->size);
    if (bytes && edit->size)
        cache_edit_copy_out(edit, 0, bytes, edit->size);
}

/* The version of what an edit shows, behind its value; a value that is stale gets no number now. Before the value, so that the entry stands
 * still while it is copied. */
static enum status version_wanted(const struct cget *cget, struct cache_edit *edit, int64_t *ret_version) {
    *ret_version = version_shown(edit->row, edit->version);
    return cget->versions && edit->found ? version_of(edit, ret_version) : STATUS_OK;
}

/* The value and its version as of one moment, under the key's lock. False: there is no value. */
static bool answer_versioned(struct cmd_call *call, const struct cget *cget, const struct cache_key *key) {
    struct cache_edit edit;
    int64_t version;
    cache_edit_begin(call->env->cache, call->actor, key, &edit);
    bool is_string = edit.found && edit.type == CACHE_STRING, answered = edit.found || edit.nothing;
    enum status status = is_string ? version_wanted(cget, &edit, &version) : STATUS_OK;
    struct value_view view;
    bool large = is_string && status == STATUS_OK && edit.size >= VALUE_PIN_MIN; /* sent from where it stands */
    if (large)
        status = value_view_any(call, key, &view);
    cache_edit_count_read(&edit);
    if (edit.nothing) {
        head(call, cget, 1, "NEGATIVE");
    } else if (is_string && status == STATUS_OK) {
        head(call, cget, 3, "HIT");
        if (large)
            value_part_to_reply(call, &view, 0, view.size);
        else
            reply_value(call, &edit);
        reply_integer(call->reply, version);
    } else if (answered) {
        head_of_error(call, cget);
        if (is_string)
            cmd_error_status(call, status);
        else
            cmd_error_wrong_type(call);
    }
    cache_edit_end(&edit);
    return answered;
}

/* False: there is no value. */
static bool answer_value(struct cmd_call *call, const struct cget *cget) {
    struct reply_mark mark = reply_mark(call->reply);
    struct cache_key key = cget->pushes ? cache_key(call->env->cache, cget->db, cget->name) : cmd_key(call, 1);
    bool nothing = false;
    if (cget->versions)
        return answer_versioned(call, cget, &key);
    head(call, cget, 2, "HIT");
    enum value_result result = value_or_nothing_to_reply(call, &key, &nothing);
    if (result == VALUE_FOUND)
        return true;
    cmd_reply_rewind(call, mark);
    if (result == VALUE_MISSING && !nothing)
        return false;
    if (result == VALUE_MISSING) {
        head(call, cget, 1, "NEGATIVE");
        return true;
    }
    head_of_error(call, cget);
    if (result == VALUE_WRONG_TYPE)
        cmd_error_wrong_type(call);
    else
        cmd_error_status(call, STATUS_NO_MEMORY);
    return true;
}

/* Under the key's lock. */
static enum lease_answer ask(struct cmd_call *call, const struct cget *cget, bool there, bool waits,
                             struct cmd_lease_given *ret_given) {
    struct cmd_server *server = call->env->server;
    struct cache_key key = cache_key(call->env->cache, cget->db, cget->name); /* no databases are swapped now */
    struct cmd_lease_ask ask = {.key = &key,
                                .lease_ms = cget->lease_ms,
                                .wait_ms = waits ? cget->wait_ms : 0,
                                .bound = cget->bound,
                                .blocks = cget->blocks || call->client->protocol != 3,
                                .versions = cget->versions,
                                .there = there,
                                .again = waits && cget->woken ? cget->woken->again : NULL};
    return server->api->lease_ask(server, call->client, &ask, ret_given);
}

/* It has waited for as long as it wanted, or there is nobody left to wait for. */
static bool gave_up(const struct cget *cget) { return cget->woken && cget->woken->how == LEASE_MISS; }

/* Of all who see the stale value, one loads it. */
static void answer_stale(struct cmd_call *call, const struct cget *cget, const struct cache_edit *edit) {
    struct cmd_lease_given given;
    bool loads = cget->lease_ms && ask(call, cget, false, false, &given) == LEASE_GIVEN;
    head(call, cget, (loads ? 4 : 3) + cget->versions, loads ? "LOAD" : "STALE");
    if (loads)
        reply_token(call->reply, given.token);
    reply_value(call, edit);
    reply_integer(call->reply, (int64_t)edit->stale_ms);
    if (cget->versions)
        reply_integer(call->reply, version_shown(edit->row, edit->version));
}

enum asked { ASKED_TOO_LATE, ASKED_STALE, ASKED };

/* Under the key's lock, where it is still absent, or too late. A stale value answers. */
static enum asked ask_absent(struct cmd_call *call, const struct cget *cget, enum lease_answer *ret_answer,
                             struct cmd_lease_given *ret_given) {
    struct cache_key key = cache_key(call->env->cache, cget->db, cget->name);
    struct cache_edit edit;
    enum asked asked = ASKED;
    bool waits = !gave_up(cget);
    cache_edit_begin(call->env->cache, call->actor, &key, &edit);
    if (edit.found || edit.nothing) {
        asked = ASKED_TOO_LATE;
    } else if (cget->stale_ms && edit.stale && edit.type == CACHE_STRING && edit.stale_ms <= cget->stale_ms) {
        asked = ASKED_STALE;
        answer_stale(call, cget, &edit);
    } else if (!cget->lease_ms && (!cget->wait_ms || !waits)) {
        *ret_answer = LEASE_NOBODY;
    } else {
        /* Whose time is over hears how long the other lease lasts, or has the next one. */
        *ret_answer = ask(call, cget, false, waits, ret_given);
    }
    cache_edit_end(&edit);
    return asked;
}

static void look_for_own_ttl(void *context, struct slice tag) {
    *(bool *)context |= slice_equal(tag, SLICE(CLASSES_OWN_TTL));
}

/* What a class says of the share of its own TTL means nothing for a value that was given another. */
static bool is_for(const struct cget *cget, const struct cache_edit *edit) {
    bool own_ttl = false;
    if (cget->early_by_class)
        cache_edit_tags(edit, look_for_own_ttl, &own_ttl);
    return !own_ttl;
}

/* A value that is about to expire, for the one who is to load it anew. False: it is another one's, or not about to. */
static bool answer_early(struct cmd_call *call, const struct cget *cget) {
    struct cache_key key = cache_key(call->env->cache, cget->db, cget->name);
    uint64_t soon_ms = call->actor->now_ms + cget->early_ms;
    struct cmd_lease_given given;
    struct cache_info info;
    struct cache_edit edit;
    if (!cget->lease_ms || !cget->early_ms || !cache_find(call->env->cache, call->actor, &key, false, &info) ||
        info.type != CACHE_STRING || info.expires_at_ms == 0 || info.expires_at_ms > soon_ms)
        return false;
    cache_edit_begin(call->env->cache, call->actor, &key, &edit);
    int64_t version;
    bool gives = edit.found && edit.type == CACHE_STRING && edit.expires_at_ms && edit.expires_at_ms <= soon_ms &&
                 is_for(cget, &edit) && version_wanted(cget, &edit, &version) == STATUS_OK &&
                 ask(call, cget, true, false, &given) == LEASE_GIVEN;
    if (gives) {
        head(call, cget, 3 + cget->versions, "REFRESH");
        reply_token(call->reply, given.token);
        reply_value(call, &edit);
        if (cget->versions)
            reply_integer(call->reply, version);
        cache_edit_count_read(&edit);
    }
    cache_edit_end(&edit);
    return gives;
}

/* False: it waits for a push, or again. */
static bool answer_ask(struct cmd_call *call, const struct cget *cget, enum lease_answer answer,
                       const struct cmd_lease_given *given) {
    switch (answer) {
        case LEASE_GIVEN:
            answer_load(call, cget, given->token);
            return true;
        case LEASE_BUSY:
            head(call, cget, 2, "BUSY");
            reply_integer(call->reply, (int64_t)given->left_ms);
            return true;
        case LEASE_NOBODY:
            head(call, cget, 1, "MISS");
            return true;
        case LEASE_TOO_MANY:
            head_of_error(call, cget);
            reply_error(call->reply, SLICE("BUSY too many leases or waiting clients"));
            return true;
        case LEASE_WAITS:
            break;
    }
    if (cget->pushes)
        return false;
    if (call->client->protocol == 3 && !cget->blocks) {
        reply_array(call->reply, 2);
        reply_bulk(call->reply, SLICE("WAITING"));
        reply_integer(call->reply, (int64_t)given->id);
        return true;
    }
    call->outcome = CMD_WAITS;
    return false;
}

/* False: it waits. */
static bool cget_run(struct cmd_call *call, const struct cget *cget) {
    enum lease_answer answer;
    struct cmd_lease_given given;
    if (cget->woken && cget->woken->how == LEASE_LOAD) {
        answer_load(call, cget, cget->woken->token);
        return true;
    }
    bool asks = cget->lease_ms || (cget->wait_ms && !gave_up(cget));
    enum asked asked;
    if (answer_early(call, cget))
        return true;
    do {
        if (answer_value(call, cget))
            return true;
        if (!asks && !cget->stale_ms) {
            head(call, cget, 1, "MISS");
            return true;
        }
        asked = ask_absent(call, cget, &answer, &given);
    } while (asked == ASKED_TOO_LATE);
    return asked == ASKED_STALE || answer_ask(call, cget, answer, &given);
}

/* The class of the key at argument 1; NULL: it has none. */
static const struct rules_class *class_of(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    const struct rules *rules = server->api->rules_now(server, call->client, NULL);
    struct rules_fields fields;
    uint32_t class = rules ? rules_match(rules, call->argv[1], &fields) : RULES_NONE;
    return class == RULES_NONE ? NULL : rules_class(rules, class);
}

/* Milliseconds behind the word at `at`; writes the error. */
static bool read_ms(struct cmd_call *call, uint32_t at, uint32_t most, uint32_t *ret_ms) {
    int64_t value;
    if (*ret_ms)
        return words_refuse_which(call, at, "stands there twice");
    if (!words_number(call, at + 1, 1, most, " milliseconds", &value))
        return false;
    *ret_ms = (uint32_t)value;
    return true;
}

/* A number, or nothing: as long as the key's class says, and without one as long as the value may be shown. */
static bool read_stale(struct cmd_call *call, uint32_t *at, uint32_t *ret_ms) {
    static const char *const words[] = {"lease", "wait", "stale", "early", "version"};
    bool bare = *at + 1 >= call->argc;
    for (size_t i = 0; i < COUNT_OF(words) && !bare; i++)
        bare = cmd_is(call, *at + 1, words[i]);
    if (!bare || *ret_ms)
        return read_ms(call, *at, OPTION_STALE_MS_MAX, ret_ms);
    const struct rules_class *class = class_of(call);
    uint64_t class_ms = class ? class->stale_ms : 0;
    *ret_ms = class_ms && class_ms < OPTION_STALE_MS_MAX ? (uint32_t)class_ms : OPTION_STALE_MS_MAX;
    --*at; /* nothing stands behind it */
    return true;
}

static bool cget_parse(struct cmd_call *call, struct cget *cget) {
    for (uint32_t at = 2; at < call->argc; at += 2) {
        if (cmd_is(call, at, "lease")) {
            if (!read_ms(call, at, LEASE_MS_MAX, &cget->lease_ms))
                return false;
            cget->bound = at + 2 < call->argc && cmd_is(call, at + 2, "bound");
            at += cget->bound;
        } else if (cmd_is(call, at, "wait")) {
            if (!read_ms(call, at, LEASE_WAIT_MS_MAX, &cget->wait_ms))
                return false;
            cget->blocks = at + 2 < call->argc && cmd_is(call, at + 2, "block");
            at += cget->blocks;
        } else if (cmd_is(call, at, "stale")) {
            if (!read_stale(call, &at, &cget->stale_ms))
                return false;
        } else if (cmd_is(call, at, "version") && !cget->versions) {
            cget->versions = true;
            at--; /* nothing stands behind it */
        } else if (cmd_is(call, at, "early")) {
            if (!read_ms(call, at, OPTION_STALE_MS_MAX, &cget->early_ms))
                return false;
        } else if (cmd_is(call, at, "version")) {
            return words_refuse_which(call, at, "stands there twice");
        } else {
            return words_refuse(call, at, "LEASE, WAIT, STALE, EARLY or VERSION");
        }
    }
    if (cget->early_ms && !cget->lease_ms) {
        reply_error(call->reply, SLICE("ERR EARLY needs LEASE: it is for who would load the value anew"));
        return false;
    }
    return true;
}

/* What `refresh` of the key's class says; 0: nothing. */
static uint32_t early_by_rules(struct cmd_call *call) {
    const struct rules_class *class = class_of(call);
    uint64_t early_ms = class ? rules_early_ms(class) : 0;
    return early_ms < OPTION_STALE_MS_MAX ? (uint32_t)early_ms : OPTION_STALE_MS_MAX;
}

static bool has_server(struct cmd_call *call) {
    if (!call->env->server)
        reply_error(call->reply, SLICE("ERR there are no leases here"));
    return call->env->server != NULL;
}

void cmd_cget(struct cmd_call *call) {
    struct cmd_client *client = call->client;
    struct cmd_server *server = call->env->server;
    struct cget cget = {.name = call->argv[1], .db = client->db};
    struct cmd_lease_woken woken;
    if (!has_server(call) || !cget_parse(call, &cget))
        return;
    if (client->in_exec)
        cget.wait_ms = 0;
    if (cget.lease_ms && !cget.early_ms) {
        cget.early_ms = early_by_rules(call);
        cget.early_by_class = true;
    }
    if (client->lease_waited) {
        server->api->lease_woken(server, client, &woken);
        cget.woken = &woken;
    }
    if (cget_run(call, &cget) && cget.woken)
        server->api->lease_wait_end(server, client);
}

bool cmd_lease_push(struct cmd_call *call, const struct cmd_lease_push *push) {
    struct cget cget = {.name = push->name,
                        .db = push->db,
                        .lease_ms = push->lease_ms,
                        .wait_ms = 1, /* as it has waited before, until the same time */
                        .bound = push->bound,
                        .versions = push->versions,
                        .pushes = true,
                        .id = push->id,
                        .woken = &push->woken};
    return cget_run(call, &cget);
}

/* ------------------------------------------------------------------------------------------ CSET */

struct cset {
    uint64_t token, expires_at_ms;
    struct string_options options;
};

/* A write that is under way. */
struct guard {
    struct cmd_call *call;
    const struct cset *cset;
    struct cache_key key;
    enum lease_end end; /* LEASE_ENDS: not asked yet */
    struct cmd_lease_lost lost;
    struct slice tag; /* that was invalidated since; empty: none, or not known */
    uint8_t tag_room[CACHE_TAG_NAME_MAX];
};

/* For struct cache_check: with all its tags, those of rules included. From here on either the lease hears of an invalidation, or what is
 * written is older than it. */
static enum status ask_lease(void *context, const struct slice *tags, uint32_t tag_count, uint64_t *ret_version) {
    struct guard *guard = context;
    struct cmd_server *server = guard->call->env->server;
    guard->end = server->api->lease_begin_write(server, &guard->key, guard->cset->token, tags, tag_count, ret_version,
                                                &guard->lost);
    if (guard->end == LEASE_OF_TAG && guard->lost.tag < tag_count) {
        struct slice tag = tags[guard->lost.tag];
        memcpy(guard->tag_room, tag.data, tag.size);
        guard->tag = slice_make(guard->tag_room, tag.size);
    }
    return guard->end == LEASE_HOLDS ? STATUS_OK : STATUS_INVALID;
}

static enum status cset_write(struct cmd_call *call, const struct cset *cset, struct cache_edit *edit,
                              struct guard *guard) {
    uint64_t version;
    if (cset->expires_at_ms && cset->expires_at_ms <= call->actor->now_ms) {
        /* Nothing will be there that could have tags. */
        TRY(ask_lease(guard, NULL, 0, &version));
        cache_edit_delete(edit);
        return STATUS_OK;
    }
    edit->check = &(struct cache_check){ask_lease, guard};
    if (!(cset->options.flags & OPTION_NEGATIVE))
        return value_write(call, edit, call->argv[2], cset->expires_at_ms);
    return cache_edit_set(edit, CACHE_NOTHING, slice_make(NULL, 0), cset->expires_at_ms);
}

static void cset(struct cmd_call *call, const struct cset *cset) {
    struct cache_key key = cmd_key(call, 1);
    struct cmd_server *server = call->env->server;
    struct cache_edit edit;
    value_edit_begin(call, &key, call->upload ? 0 : call->argv[2].size, &edit);
    edit.tags = call->argv + cset->options.tags_at;
    edit.tag_count = cset->options.tag_count;
    edit.set_row = cset->options.row;
    edit.set_stale_ms = cset->options.stale_ms;
    /* No databases are swapped while the key is locked. */
    struct guard guard = {.call = call,
                          .cset = cset,
                          .key = cache_key(call->env->cache, call->client->db, call->argv[1]),
                          .end = LEASE_ENDS};
    if (!string_options_guard(&cset->options, &edit)) { /* the lease goes on */
        cache_edit_end(&edit);
        reply_null(call->reply);
        return;
    }
    bool nothing = cset->options.flags & OPTION_NEGATIVE;
    call->change = nothing ? CMD_CHANGE_NOTHING : cset->expires_at_ms ? CMD_CHANGE_EXPIRES : CMD_CHANGE_PLAIN;
    enum status status = cset_write(call, cset, &edit, &guard);
    call->change = CMD_CHANGE_PLAIN;
    if (guard.end == LEASE_HOLDS)
        server->api->lease_end_write(server, cset->token, status == STATUS_OK);
    cache_edit_end(&edit);
    if (guard.end != LEASE_HOLDS && guard.end != LEASE_ENDS)
        lease_lost_reply(call, &guard.lost, guard.tag);
    else if (status != STATUS_OK)
        cmd_error_status(call, status);
    else
        reply_ok(call->reply);
}

/* How long it is remembered that there is nothing, if nobody said so: not for longer than what is there would be. */
static uint64_t negative_ms(const struct rules_class *class) {
    if (class && class->negative_ms)
        return class->negative_ms;
    bool shorter = class && class->ttl_default_ms && class->ttl_default_ms < NEGATIVE_MS_DEFAULT;
    return shorter ? class->ttl_default_ms : NEGATIVE_MS_DEFAULT;
}

void cmd_cset(struct cmd_call *call) {
    struct cset plan;
    uint32_t allowed = OPTIONS_EXPIRY | OPTION_TAGS | OPTION_NEGATIVE | OPTION_STALE | OPTIONS_VERSION;
    if (!has_server(call))
        return;
    if (!cmd_is(call, 3, "token")) {
        (void)words_refuse(call, 3, "TOKEN and what CGET with LEASE has answered");
        return;
    }
    if (!read_token(call, 4, &plan.token) || !string_options_read(call, 5, allowed, &plan.options) ||
        !string_options_expiry(call, &plan.options, &plan.expires_at_ms))
        return;
    if ((plan.options.flags & OPTION_NEGATIVE) && (call->upload || call->argv[2].size)) {
        reply_error(call->reply, SLICE("ERR with NEGATIVE the value has to be empty"));
        return;
    }
    if ((plan.options.flags & OPTION_NEGATIVE) && !plan.expires_at_ms)
        plan.expires_at_ms = call->actor->now_ms + negative_ms(class_of(call));
    cset(call, &plan);
}

void cmd_crelease(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    uint64_t token;
    if (!has_server(call) || !read_token(call, 2, &token))
        return;
    struct cache_key key = cache_key(call->env->cache, call->client->db, call->argv[1]);
    reply_integer(call->reply, server->api->lease_release(server, &key, token));
}
