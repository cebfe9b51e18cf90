/* app/cmd/explain_cmd.c: EXPLAIN: why a key is there, and like that; or why it is not there any more.
 *
 * Looking does not count as a read, but an entry that is gone already is taken away, as by any command that comes across it; so the history knows. */
#include <stdio.h>

#include "app/cmd/commands.h"
#include "app/cmd/facts.h"
#include "app/cmd/key_call.h"
#include "app/cmd/sentence.h"
#include "app/cmd/server_api.h"
#include "app/cmd/tier.h"
#include "app/cmd/version.h"
#include "base/number.h"
#include "core/classes/names.h"

enum {
    TAGS_MAX = CACHE_TAGS_MAX + CACHE_RULE_TAGS_MAX,
    INTEGER_SIZE_MAX = 20,
    EMBEDDED_SIZE_MAX = 44,
    USES_MAX = 7,
};

struct explain {
    struct cmd_call *call;
    const struct cmd_server_api *api; /* NULL: nobody has a history */
    struct facts facts;
    struct cache_key key;
    const struct rules_class *class; /* NULL: none */
    const struct rules *rules;
    uint64_t now_ms;
    struct cmd_lease_view lease;
    bool leased;
    bool maybe_never;            /* nothing is known of the key itself */
    uint32_t place_before;       /* with CACHE_SWAPPED: of the database that had this number before */
    struct cmd_gone *stale_gone; /* NULL: nothing is known of what became of what was stale */
};

static uint64_t ago_ms(const struct explain *explain, uint64_t when_ms) {
    return explain->now_ms > when_ms ? explain->now_ms - when_ms : 0;
}

static void say_ago(struct sentence *sentence, const struct explain *explain, uint64_t when_ms) {
    sentence_span(sentence, ago_ms(explain, when_ms));
    sentence_say(sentence, " ago");
}

/* Who loads it, behind the summary. */
static void say_lease(struct explain *explain, struct sentence *sentence) {
    const struct cmd_lease_view *lease = &explain->lease;
    if (!explain->leased)
        return;
    sentence_say(sentence, " Client %llu loads it since ", (unsigned long long)lease->client);
    sentence_span(sentence, lease->age_ms);
    sentence_say(sentence, ", with a lease for ");
    sentence_span(sentence, lease->left_ms);
    sentence_say(sentence, " more; %u waiting.", lease->waiting);
}

static void put_lease(struct explain *explain) {
    const struct cmd_lease_view *lease = &explain->lease;
    if (!explain->leased)
        return;
    facts_number(&explain->facts, "lease_client", (int64_t)lease->client);
    facts_number(&explain->facts, "lease_age_ms", (int64_t)lease->age_ms);
    facts_number(&explain->facts, "lease_left_ms", (int64_t)lease->left_ms);
    facts_number(&explain->facts, "lease_bound", lease->bound);
    facts_number(&explain->facts, "lease_waiting", lease->waiting);
}

static void put_sentence(struct explain *explain, const char *name, const struct sentence *sentence) {
    facts_text(&explain->facts, name, facts_copy(&explain->facts, slice_make(sentence->text, sentence->size)));
}

/* What became of what could still be shown as stale. */
static void say_stale_gone(const struct explain *explain, struct sentence *sentence) {
    const struct cmd_gone *gone = explain->stale_gone;
    if (!gone)
        return;
    sentence_say(sentence, " What could still be shown as stale went ");
    say_ago(sentence, explain, gone->when_ms);
    sentence_say(sentence, ", by ");
    if (gone->killer.size && !gone->by_ban) {
        sentence_tag(sentence, gone->killer);
        sentence_say(sentence, ", by ");
    }
    sentence_author(sentence, gone);
    sentence_say(sentence, ".");
}

static void put_summary(struct explain *explain, struct sentence *sentence) {
    say_stale_gone(explain, sentence);
    say_lease(explain, sentence);
    put_sentence(explain, "summary", sentence);
}

/* ------------------------------------------------------------------------------------------ what is the same for both */

static void put_class(struct explain *explain) {
    if (!explain->class)
        return;
    facts_text(&explain->facts, "class", explain->class->pattern.text);
    facts_number(&explain->facts, "line", explain->class->place.line);
    if (explain->class->owner != RULES_NONE)
        facts_text(&explain->facts, "owner", rules_service(explain->rules, explain->class->owner));
    facts_codec(&explain->facts, explain->class);
}

static void put_store(struct explain *explain) {
    struct cache *cache = explain->call->env->cache;
    struct cache_store_info info;
    cache_store_info(cache, cache_store_of(cache, &explain->key), &info);
    facts_text(&explain->facts, "store", slice_from_string(info.name));
}

static void put_last_miss(struct explain *explain) {
    struct cmd_server *server = explain->call->env->server;
    struct cmd_miss miss;
    if (!explain->api || !explain->api->last_miss(server, explain->key.place, explain->key.name, &miss))
        return;
    facts_text(&explain->facts, "last_miss", slice_from_string(miss_cause_name(miss.cause)));
    facts_number(&explain->facts, "last_miss_ago_ms", (int64_t)ago_ms(explain, miss.when_ms));
}

/* ------------------------------------------------------------------------------------------ present */

/* What was found out under the lock. */
struct present {
    struct cache_info info;
    struct slice tags[TAGS_MAX], rule_tags[TAGS_MAX];
    uint32_t tag_count, rule_tag_count;
    bool in_main, stale, nothing, by_time;
    uint64_t stale_ms, stamp;
    struct slice stale_by;
    const char *encoding;
    struct facts *facts;
};

static void note_tag(void *context, struct slice tag) {
    struct present *present = context;
    if (slice_equal(tag, SLICE(CLASSES_OWN_TTL))) /* a mark of the server's, by which nothing is invalidated */
        return;
    struct slice copy = facts_copy(present->facts, tag);
    if (classes_is_marked(tag))
        present->rule_tags[present->rule_tag_count++] = copy;
    else
        present->tags[present->tag_count++] = copy;
}

static const char *encoding_of(const struct cache_edit *edit) {
    int64_t number;
    if (edit->type != CACHE_STRING)
        return key_call_type_name(edit->type);
    if (edit->size <= INTEGER_SIZE_MAX && number_parse_i64(cache_edit_piece(edit, 0), &number))
        return "int";
    return edit->size <= EMBEDDED_SIZE_MAX ? "embstr" : "raw";
}

static void look(struct explain *explain, const struct cache_edit *edit, struct present *present) {
    struct cmd_call *call = explain->call;
    present->facts = &explain->facts;
    present->stale = edit->stale;
    present->nothing = edit->nothing;
    if (edit->stale) {
        uint8_t tag[CACHE_TAG_NAME_MAX];
        present->stale_ms = edit->stale_ms;
        present->stamp = edit->version;
        present->stale_by = facts_copy(&explain->facts, cache_edit_stale_by(edit, tag));
        present->by_time = cache_edit_stale_by_time(edit) && !present->stale_by.size;
    }
    present->info.expires_at_ms = edit->nothing ? edit->expires_at_ms : 0;
    if (!edit->found)
        return;
    present->in_main = cache_edit_is_in_main(edit);
    present->encoding = encoding_of(edit);
    cache_edit_tags(edit, note_tag, present);
    /* The lock is held: what was found is there. */
    if (!cache_find(call->env->cache, call->actor, &explain->key, false, &present->info))
        present->info = (struct cache_info){.type = edit->type,
                                            .size = edit->size,
                                            .expires_at_ms = edit->expires_at_ms,
                                            .version = edit->version,
                                            .row = edit->row};
}

static void say_given(struct sentence *sentence, const char *who, uint64_t ms) {
    sentence_say(sentence, "%s (", who);
    sentence_span(sentence, ms);
    sentence_say(sentence, ")");
}

/* An entry does not remember who gave its expiry; what is left of it often tells. */
static void put_ttl_from(struct explain *explain, const struct present *present) {
    struct cache_store_info store;
    struct cache *cache = explain->call->env->cache;
    const struct rules_class *class = explain->class;
    uint64_t left_ms = present->info.expires_at_ms - explain->now_ms;
    uint64_t class_ms = class ? class->ttl_default_ms : 0, max_ms = class ? class->ttl_max_ms : 0;
    struct sentence sentence = {.size = 0};
    cache_store_info(cache, cache_store_of(cache, &explain->key), &store);
    bool by_class = class_ms && left_ms <= class_ms, by_store = !class_ms && store.ttl_ms && left_ms <= store.ttl_ms;
    if (present->info.expires_at_ms == 0) {
        sentence_say(&sentence, "nobody gave one");
    } else {
        if (by_class)
            say_given(&sentence, "the class's default", class_ms);
        else if (by_store)
            say_given(&sentence, "its store's", store.ttl_ms);
        sentence_say(&sentence, by_class || by_store ? ", or the client: that is not recorded" : "the client");
        if (max_ms)
            say_given(&sentence, ", within the class's maximum", max_ms);
    }
    put_sentence(explain, "ttl_from", &sentence);
}

static void put_uses(struct explain *explain, uint32_t uses) {
    facts_format(&explain->facts, "uses", "%u%s", uses, uses >= USES_MAX ? "+" : "");
}

static void answer_present(struct explain *explain, const struct present *present) {
    const struct cache_info *info = &present->info;
    struct facts *facts = &explain->facts;
    struct sentence sentence = {.size = 0};
    sentence_say(&sentence, "There: a %s of %llu bytes", key_call_type_name(info->type),
                 (unsigned long long)info->size);
    if (info->expires_at_ms) {
        sentence_say(&sentence, " that expires in ");
        sentence_span(&sentence, info->expires_at_ms > explain->now_ms ? info->expires_at_ms - explain->now_ms : 0);
    } else {
        sentence_say(&sentence, " that does not expire");
    }
    if (explain->class) {
        sentence_say(&sentence, ", of the class ");
        sentence_text(&sentence, explain->class->pattern.text);
    }
    sentence_say(&sentence, ".");
    facts_text(facts, "state", SLICE("present"));
    put_summary(explain, &sentence);
    put_class(explain);
    put_store(explain);
    facts_text(facts, "type", slice_from_string(key_call_type_name(info->type)));
    facts_text(facts, "encoding", slice_from_string(present->encoding));
    facts_number(facts, "size", (int64_t)info->size);
    facts_number(facts, "charged_bytes", (int64_t)info->charged_bytes);
    facts_number(facts, "ttl_ms", info->expires_at_ms ? (int64_t)(info->expires_at_ms - explain->now_ms) : -1);
    put_ttl_from(explain, present);
    facts_number(facts, "segment_age_ms", (int64_t)info->idle_ms);
    facts_list(facts, "tags", present->tags, present->tag_count);
    facts_list(facts, "rule_tags", present->rule_tags, present->rule_tag_count);
    put_uses(explain, info->use_count);
    facts_text(facts, "queue", present->in_main ? SLICE("main") : SLICE("small"));
    if (info->row || info->version)
        facts_number(facts, "version", version_shown(info->row, info->version));
    put_lease(explain);
    put_last_miss(explain);
}

/* It stands in the warm tier, and is left there. Its tags are not looked up. */
static void answer_tiered(struct explain *explain, const struct cache_info *info) {
    struct facts *facts = &explain->facts;
    struct sentence sentence = {.size = 0};
    sentence_say(&sentence, "There, in the warm tier since ");
    sentence_span(&sentence, info->idle_ms);
    sentence_say(&sentence, ", read %u %s there: a %s of %llu bytes", info->use_count,
                 info->use_count == 1 ? "time" : "times", key_call_type_name(info->type),
                 (unsigned long long)info->size);
    if (info->expires_at_ms) {
        sentence_say(&sentence, " that expires in ");
        sentence_span(&sentence, info->expires_at_ms > explain->now_ms ? info->expires_at_ms - explain->now_ms : 0);
    }
    sentence_say(&sentence, ".");
    facts_text(facts, "state", SLICE("present"));
    put_summary(explain, &sentence);
    put_class(explain);
    put_store(explain);
    facts_text(facts, "tier", SLICE("warm"));
    facts_number(facts, "warm_for_ms", (int64_t)info->idle_ms);
    facts_number(facts, "warm_hits", info->use_count);
    facts_text(facts, "type", slice_from_string(key_call_type_name(info->type)));
    facts_number(facts, "size", (int64_t)info->size);
    facts_number(facts, "charged_bytes", (int64_t)info->charged_bytes);
    facts_number(facts, "ttl_ms", info->expires_at_ms ? (int64_t)(info->expires_at_ms - explain->now_ms) : -1);
    put_lease(explain);
    put_last_miss(explain);
}

/* What was read from there before the command ran. A look at memory would give it up. */
static bool is_tiered(const struct explain *explain, struct cache_info *ret_info) {
    const struct cmd_tier *tier = explain->call->env->tier;
    struct slice value;
    return tier && tier->show(explain->call, &explain->key, &value, ret_info);
}

/* ------------------------------------------------------------------------------------------ absent */

static const char *what_of(const struct explain *explain, const struct cmd_gone *gone) {
    switch (gone->kind) {
        case CACHE_EXPIRED:
            return "expired";
        case CACHE_EVICTED:
            return "evicted";
        case CACHE_INVALIDATED:
            return "invalidated";
        case CACHE_FLUSHED:
            return explain->maybe_never ? "flushed_or_never_there" : "flushed";
        case CACHE_SWAPPED:
            return explain->maybe_never ? "swapped_or_never_there" : "swapped";
        default:
            return gone->has_cause ? "invalidated" : "deleted";
    }
}

/* Who did it, fact by fact. */
static void put_author(struct explain *explain, const struct cmd_gone *gone) {
    struct facts *facts = &explain->facts;
    const struct cause *cause = &gone->cause;
    if (gone->spec)
        facts_text(facts, "command", slice_from_string(gone->spec->name));
    if (gone->client)
        facts_number(facts, "client", (int64_t)gone->client);
    if (gone->client && gone->address[0])
        facts_text(facts, "address", slice_from_string(gone->address));
    if (gone->who.size)
        facts_text(facts, "actor", gone->who);
    if (!gone->has_cause)
        return;
    struct sentence trigger = {.size = 0};
    sentence_say(&trigger, "%s ", cause_trigger_word(cause->trigger));
    sentence_text(&trigger, cause->name);
    put_sentence(explain, "trigger", &trigger);
    if (cause->path.size) {
        facts_text(facts, "path", cause->path);
        facts_number(facts, "path_line", cause->line);
    }
    if (cause->reason.size)
        facts_text(facts, "reason", cause->reason);
}

/* The same of what was stale, as far as it is not clear from the rest. */
static void put_stale_gone(struct explain *explain) {
    struct facts *facts = &explain->facts;
    const struct cmd_gone *gone = explain->stale_gone;
    if (!gone)
        return;
    facts_number(facts, "stale_gone_ago_ms", (int64_t)ago_ms(explain, gone->when_ms));
    if (gone->killer.size && !gone->by_ban)
        facts_text(facts, "stale_gone_tag", gone->killer);
    if (gone->spec)
        facts_text(facts, "stale_gone_command", slice_from_string(gone->spec->name));
    if (gone->client)
        facts_number(facts, "stale_gone_client", (int64_t)gone->client);
    if (gone->client && gone->address[0])
        facts_text(facts, "stale_gone_address", slice_from_string(gone->address));
    if (gone->who.size)
        facts_text(facts, "stale_gone_actor", gone->who);
    if (gone->has_cause && gone->cause.reason.size)
        facts_text(facts, "stale_gone_reason", gone->cause.reason);
}

/* The entry was found dead some time after its tag was invalidated, or its pattern banned; who did that is mostly known of the entry itself. */
static void answer_dead(struct explain *explain, const struct cmd_gone *gone, struct sentence *sentence,
                        struct cmd_gone *of_tag) {
    struct cmd_server *server = explain->call->env->server;
    const struct cmd_gone *by = gone->spec ? gone : of_tag;
    bool of_some_tag = gone->killer.size && !gone->by_ban;
    bool known = by == gone || (of_some_tag && explain->api->tag_gone(server, gone->killer, 0, true, of_tag));
    sentence_say(sentence, "Invalidated by ");
    if (gone->by_ban) {
        sentence_say(sentence, "the pattern ");
        sentence_text(sentence, gone->killer);
    } else if (gone->killer.size)
        sentence_tag(sentence, gone->killer);
    else
        sentence_say(sentence, "a tag whose name is forgotten");
    if (known) {
        sentence_say(sentence, by->at_latest ? ", at the latest " : " ");
        say_ago(sentence, explain, by->when_ms);
        sentence_say(sentence, ", by ");
        sentence_author(sentence, by);
        sentence_say(sentence, ".");
    } else {
        sentence_say(sentence, "; that was noticed ");
        say_ago(sentence, explain, gone->when_ms);
        sentence_say(sentence, ".");
    }
    put_summary(explain, sentence);
    facts_text(&explain->facts, "what", SLICE("invalidated"));
    if (gone->by_ban)
        facts_text(&explain->facts, "pattern", gone->killer);
    else if (gone->killer.size)
        facts_text(&explain->facts, classes_is_marked(gone->killer) ? "rule_tag" : "tag", gone->killer);
    facts_number(&explain->facts, "ago_ms", (int64_t)ago_ms(explain, known ? by->when_ms : gone->when_ms));
    if (known && by->at_latest)
        facts_text(&explain->facts, "when", SLICE("at the latest"));
    if (known)
        put_author(explain, by);
}

/* What looks like a pattern is taken for a key all the same. */
static void say_pattern(const struct explain *explain, struct sentence *sentence) {
    struct slice name = explain->key.name;
    bool star = name.size && name.data[name.size - 1] == '*';
    if (star || (explain->rules && rules_class_named(explain->rules, name) != RULES_NONE))
        sentence_say(sentence, " EXPLAIN takes one key, and no pattern; STATS CLASS tells of many.");
}

static bool is_at(const struct explain *explain, uint32_t place) {
    const struct cmd_call *call = explain->call;
    return cache_look_gone(call->env->cache, call->actor, place, explain->key.name) == CACHE_GONE_NOT;
}

static void say_swapped(struct explain *explain, const struct cmd_gone *gone, struct sentence *sentence) {
    uint32_t db = cache_db_of(explain->call->env->cache, explain->place_before);
    sentence_say(sentence, "%s to database %u ",
                 explain->maybe_never ? "It was never there, or went" : "It had gone before, or went", db);
    say_ago(sentence, explain, gone->when_ms);
    sentence_say(sentence, " by ");
    sentence_author(sentence, gone);
    if (is_at(explain, explain->place_before))
        sentence_say(sentence, "; there is such a key there");
}

static void answer_gone(struct explain *explain, const struct cmd_gone *gone, struct sentence *sentence) {
    if (gone->kind == CACHE_EXPIRED) {
        sentence_say(sentence, "Expired; that was noticed ");
        say_ago(sentence, explain, gone->when_ms);
    } else if (gone->kind == CACHE_EVICTED) {
        sentence_say(sentence, "Evicted ");
        say_ago(sentence, explain, gone->when_ms);
        sentence_say(sentence,
                     gone->over_capacity ? ", because its store had more entries than it may" : ", for want of memory");
    } else if (gone->kind == CACHE_FLUSHED) {
        sentence_say(sentence, "%s when its database was emptied ",
                     explain->maybe_never ? "It was never there, or went" : "It had gone before, or went");
        say_ago(sentence, explain, gone->when_ms);
        sentence_say(sentence, " by ");
        sentence_author(sentence, gone);
    } else if (gone->kind == CACHE_SWAPPED) {
        say_swapped(explain, gone, sentence);
    } else {
        sentence_say(sentence, gone->has_cause || gone->kind == CACHE_INVALIDATED ? "Invalidated " : "Deleted ");
        say_ago(sentence, explain, gone->when_ms);
        sentence_say(sentence, " by ");
        sentence_author(sentence, gone);
    }
    sentence_say(sentence, ".");
    if (explain->maybe_never)
        say_pattern(explain, sentence);
    put_summary(explain, sentence);
    facts_text(&explain->facts, "what", slice_from_string(what_of(explain, gone)));
    if (gone->kind == CACHE_EVICTED)
        facts_text(&explain->facts, "pressure", gone->over_capacity ? SLICE("entries") : SLICE("memory"));
    facts_number(&explain->facts, "ago_ms", (int64_t)ago_ms(explain, gone->when_ms));
    put_author(explain, gone);
}

/* By a tag the entry is stale without having been told of; by its own name, or time, the history may know. */
static bool find_gone(struct explain *explain, const struct present *present, struct cmd_gone *gone) {
    struct cmd_server *server = explain->call->env->server;
    if (!explain->api || present->nothing)
        return false;
    bool known = explain->api->gone(server, explain->key.place, explain->key.name, gone);
    if (!present->stale_by.size || (known && gone->soft))
        return known;
    if (!explain->api->tag_gone(server, present->stale_by, present->stamp, true, gone)) {
        gone->spec = NULL;
        gone->has_cause = gone->text_lost = gone->at_latest = gone->over_capacity = gone->soft = false;
        gone->client = 0;
        gone->who = slice_make(NULL, 0);
        gone->address[0] = '\0';
        gone->when_ms = explain->now_ms;
    }
    gone->kind = CACHE_INVALIDATED;
    gone->killer = present->stale_by;
    gone->by_ban = false;
    return true;
}

/* It was there again meanwhile, or might have been. */
static bool was_flushed_since(const struct explain *explain, const struct cmd_gone *gone) {
    struct cmd_gone flush;
    return explain->api &&
           explain->api->flushed(explain->call->env->server, explain->key.place, explain->key.name, &flush) &&
           flush.when_ms > gone->when_ms;
}

/* The last of what became of the database, if that was later than what is known of the key: it was emptied, or got another number. `known`: something is
 * known of the key. */
static bool find_later(struct explain *explain, struct cmd_gone *gone, bool known) {
    struct cmd_server *server = explain->call->env->server;
    struct cmd_gone swap;
    if (known && was_flushed_since(explain, gone))
        known = explain->api->flushed(server, explain->key.place, explain->key.name,
                                      gone); /* its texts stand in itself: it cannot be copied */
    if (explain->api &&
        explain->api->swapped(server, explain->key.place, explain->key.name, &swap, &explain->place_before) &&
        (!known || (swap.when_ms > gone->when_ms && is_at(explain, explain->place_before))))
        known = explain->api->swapped(server, explain->key.place, explain->key.name, gone, &explain->place_before);
    return known;
}

static void find_stale_gone(struct explain *explain, const struct cmd_gone *gone, struct cmd_gone *stale_gone) {
    bool softly = gone->soft && (gone->kind == CACHE_INVALIDATED || gone->kind == CACHE_EXPIRED);
    if (softly &&
        explain->api->stale_gone(explain->call->env->server, explain->key.place, explain->key.name, stale_gone) &&
        stale_gone->when_ms >= gone->when_ms)
        explain->stale_gone = stale_gone;
}

/* The entry itself says why it is stale, and since when. */
static void answer_stale(struct explain *explain, const struct present *present, struct sentence *sentence) {
    sentence_say(sentence, present->by_time ? "It has expired" : "It was invalidated");
    if (present->stale_ms < INT64_MAX) {
        sentence_say(sentence, " ");
        sentence_span(sentence, present->stale_ms);
        sentence_say(sentence, " ago");
    }
    sentence_say(sentence, present->by_time ? "." : "; by whom is forgotten.");
    put_summary(explain, sentence);
    facts_text(&explain->facts, "what", present->by_time ? SLICE("expired") : SLICE("invalidated"));
}

static void answer_absent(struct explain *explain, const struct present *present, struct cmd_gone *gone,
                          struct cmd_gone *of_tag, struct cmd_gone *stale_gone) {
    struct cmd_server *server = explain->call->env->server;
    struct sentence sentence = {.size = 0};
    struct facts *facts = &explain->facts;
    facts_text(facts, "state", present->nothing ? SLICE("nothing") : present->stale ? SLICE("stale") : SLICE("absent"));
    if (present->nothing) /* so long it is remembered */
        facts_number(facts, "ttl_ms",
                     present->info.expires_at_ms ? (int64_t)(present->info.expires_at_ms - explain->now_ms) : -1);
    bool known = find_gone(explain, present, gone);
    explain->maybe_never = !known;
    if (!present->stale && !present->nothing) {
        known = find_later(explain, gone, known);
        if (known)
            find_stale_gone(explain, gone, stale_gone);
    }
    if (present->stale)
        sentence_say(&sentence, "Shown only to who asks for stale values. ");
    bool invalidated = known && gone->kind == CACHE_INVALIDATED && !present->by_time;
    if (invalidated && (gone->killer.size || gone->by_ban || !gone->spec)) {
        answer_dead(explain, gone, &sentence, of_tag);
    } else if (present->stale && !invalidated) {
        answer_stale(explain, present, &sentence);
    } else if (known || (explain->api && !present->nothing &&
                         explain->api->flushed(server, explain->key.place, explain->key.name, gone))) {
        answer_gone(explain, gone, &sentence);
    } else {
        sentence_say(&sentence, present->nothing
                                    ? "It is cached that there is nothing."
                                    : "Nothing is known of it: it was never there, or what became of it is forgotten.");
        say_pattern(explain, &sentence);
        put_summary(explain, &sentence);
        facts_text(facts, "what", present->nothing ? SLICE("nothing") : SLICE("never_there"));
    }
    if (present->stale && present->stale_ms < INT64_MAX)
        facts_number(facts, "stale_for_ms", (int64_t)present->stale_ms);
    if (known && gone->soft && gone->kind == CACHE_INVALIDATED && !present->stale)
        facts_number(facts, "soft", 1);
    put_stale_gone(explain);
    put_class(explain);
    put_store(explain);
    put_lease(explain);
    put_last_miss(explain);
}

/* ------------------------------------------------------------------------------------------ the command */

static void find_class(struct explain *explain) {
    struct cmd_server *server = explain->call->env->server;
    struct rules_fields fields;
    explain->rules = explain->api ? explain->api->rules_now(server, explain->call->client, NULL) : NULL;
    uint32_t number = explain->rules ? rules_match(explain->rules, explain->key.name, &fields) : RULES_NONE;
    explain->class = number == RULES_NONE ? NULL : rules_class(explain->rules, number);
}

void cmd_explain(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    struct explain explain = {.call = call,
                              .api = server && server->api->gone ? server->api : NULL,
                              .facts = {.call = call},
                              .key = cmd_key(call, 1),
                              .now_ms = call->actor->now_ms};
    struct present present = {.facts = NULL};
    struct cmd_gone gone, of_tag, stale_gone;
    struct cache_edit edit;
    struct cache_info info;
    find_class(&explain);
    if (is_tiered(&explain, &info)) {
        answer_tiered(&explain, &info);
        facts_reply(&explain.facts);
        return;
    }
    cache_edit_begin(call->env->cache, call->actor, &explain.key, &edit);
    explain.key.place = cache_place_of(call->env->cache, explain.key.db);
    bool found = edit.found;
    look(&explain, &edit, &present);
    if (explain.api && explain.api->lease_look_at) {
        struct cache_key key = cache_key(call->env->cache, call->client->db, call->argv[1]); /* as CGET makes it */
        explain.leased = explain.api->lease_look_at(server, &key, &explain.lease);
    }
    cache_edit_end(&edit);
    if (found)
        answer_present(&explain, &present);
    else
        answer_absent(&explain, &present, &gone, &of_tag, &stale_gone);
    facts_reply(&explain.facts);
}
