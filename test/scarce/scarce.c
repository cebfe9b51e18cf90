/* Plays a scene again and again, and another allocation fails each time. */
#include "scarce.h"

#include <stdatomic.h>
#include <string.h>

#include "base/buf.h"

enum { ROUNDS_MAX = 3000 };

/* ------------------------------------------------------------------------------------------ memory */

static _Atomic long left = -1; /* allocations that do not fail any more; negative: none does */
static _Atomic bool forever;   /* not only one of them fails */
static _Atomic uint64_t failed;

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

/* The test's own requests. */
static void *resize(void *context, void *old, size_t size_old, size_t size_new) {
    (void)context;
    (void)size_old;
    void *bytes = size_new ? __real_realloc(old, size_new) : NULL;
    if (!size_new)
        free(old);
    return bytes;
}
static const struct memory never_fails = {.resize = resize};

/* Counts down; true for the one that is to fail. */
static bool fails_now(void) {
    long now = atomic_load(&left);
    while (now >= 0 && !atomic_compare_exchange_weak(&left, &now, now ? now - 1 : atomic_load(&forever) ? 0 : -1))
        ;
    atomic_fetch_add(&failed, now == 0);
    return now == 0;
}

void *__wrap_realloc(void *old, size_t size) { return fails_now() ? NULL : __real_realloc(old, size); }
void *__wrap_malloc(size_t size) { return fails_now() ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size) { return fails_now() ? NULL : __real_calloc(count, size); }

void scarce_fail_from(uint64_t n, bool all) {
    atomic_store(&failed, 0);
    atomic_store(&forever, all);
    atomic_store(&left, (long)n);
}

bool scarce_fail_no_more(void) {
    atomic_store(&left, -1);
    return atomic_load(&failed) != 0;
}

/* ------------------------------------------------------------------------------------------ talking */

struct talker {
    struct peer peer;
    bool cut;
    char token[32];          /* the last one that it was given */
    char text[SCARCE_TEXT];  /* the last reply as words with spaces between them */
    char heard[SCARCE_TEXT]; /* pushes and messages since it was asked to forget them */
};

static void add_word(struct buf *to, const char *word, size_t size) {
    ASSERT(buf_printf(to, "$%zu\r\n", size) == STATUS_OK && buf_append(to, word, size) == STATUS_OK &&
           buf_append(to, "\r\n", 2) == STATUS_OK);
}

static void say(const struct talker *talker, const struct scene *scene, const char *line) {
    struct buf text;
    uint32_t count = 1;
    buf_init(&text, &never_fails);
    for (const char *at = line; (at = strchr(at, ' ')); at++)
        count++;
    ASSERT(buf_printf(&text, "*%u\r\n", count) == STATUS_OK);
    for (const char *at = line, *end; at; at = *end ? end + 1 : NULL) {
        end = strchrnul(at, ' ');
        const char *word = *at == '@' ? scene->manifest : *at == '$' ? talker->token : *at == '_' ? "" : at;
        add_word(&text, word, word == at ? (size_t)(end - at) : strlen(word));
    }
    MAYBE(send(talker->peer.fd, text.data, text.size, MSG_NOSIGNAL) < 0);
    buf_fini(&text);
}

/* So many bytes of a text, and the end of its line. */
static bool skip_to(struct peer *peer, size_t size, char *text, size_t room) {
    size_t kept = 0;
    for (size_t done = 0; done < size + 2;) {
        if (peer->at == peer->size) {
            peer->at = peer->size = 0;
            ssize_t got = recv(peer->fd, peer->input, sizeof peer->input, 0);
            if (got <= 0)
                return false;
            peer->size = (size_t)got;
        }
        char byte = peer->input[peer->at++];
        if (done++ < size && kept + 1 < room)
            text[kept++] = byte;
    }
    text[kept] = 0;
    return true;
}

/* Appends a reply to a text. False: the server has closed. */
static bool hear_more(struct talker *talker, char *text) {
    enum { SHOWN_MAX = 400 };
    char bulk[SHOWN_MAX];
    const char *line = peer_line(&talker->peer);
    if (!line)
        return false;
    char type = line[0];
    long count = strtol(line + 1, NULL, 10);
    bool has_members = strchr("*%~>", type) != NULL && count >= 0;
    if (type == '$' && count >= 0) {
        if (!skip_to(&talker->peer, (size_t)count, bulk, sizeof bulk))
            return false;
        line = bulk;
    }
    size_t size = strlen(text);
    ASSERT(size + SHOWN_MAX + 8 < SCARCE_TEXT);
    if (has_members)
        sprintf(text + size, "%c ", type);
    else
        sprintf(text + size, "%.*s ", SHOWN_MAX, type == '_' || (count < 0 && type != ':') ? "nil" : line);
    for (long i = 0; has_members && i < (type == '%' ? 2 * count : count); i++)
        if (!hear_more(talker, text))
            return false;
    return true;
}

static bool is_told(const struct talker *talker) {
    const char *text = talker->text;
    return text[0] == '>' || strncmp(text, "* message ", 10) == 0 || strncmp(text, "* pmessage ", 11) == 0;
}

/* The reply to what was said, in `text`; what was pushed before it, in `heard`. */
static void hear(struct talker *talker) {
    do {
        talker->text[0] = 0;
        if (!hear_more(talker, talker->text)) {
            talker->cut = true;
            strcpy(talker->text, "cut");
            return;
        }
        ASSERT(strlen(talker->heard) + strlen(talker->text) < SCARCE_TEXT);
        if (is_told(talker))
            strcat(talker->heard, talker->text);
    } while (is_told(talker));
    if (strncmp(talker->text, "* LOAD ", 7) == 0)
        snprintf(talker->token, sizeof talker->token, "%.16s", talker->text + 7);
}

static const char *ask(struct talker *talker, const struct scene *scene, const char *line) {
    if (!talker->cut) {
        say(talker, scene, line);
        hear(talker);
    }
    return talker->text;
}

static struct talker *talker_new(struct server *server, bool resp3) {
    struct talker *talker = calloc(1, sizeof *talker);
    ASSERT(talker);
    peer_connect(&talker->peer, server);
    if (resp3)
        ASSERT(ask(talker, NULL, "HELLO 3")[0] == '%');
    else
        ASSERT(strncmp(ask(talker, NULL, "PING"), "+PONG", 5) == 0);
    return talker;
}

static void talker_free(struct talker *talker) {
    close(talker->peer.fd);
    free(talker);
}

/* ------------------------------------------------------------------------------------------ playing */

enum outcome { DONE, REFUSED, CUT };

static bool begins(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

/* Begins with one of what is written with a bar between. */
static bool begins_with_any(const char *text, const char *any) {
    for (const char *at = any, *end; at; at = *end ? end + 1 : NULL) {
        end = strchrnul(at, '|');
        if (strncmp(text, at, (size_t)(end - at)) == 0)
            return true;
    }
    return false;
}

static enum outcome outcome_of(const struct scene *scene, const struct talker *actor, struct scarce_counts *counts) {
    if (actor->cut)
        return CUT;
    if (actor->text[0] != '-')
        return DONE;
    bool known = begins(actor->text, "-ERR out of memory") || begins(actor->text, "-OOM") || scene->may_refuse;
    if (!known)
        fprintf(stderr, "%s: refused with %s\n", scene->name, actor->text);
    counts->wrong += !known;
    return REFUSED;
}

static void judge(const struct scene *scene, struct talker *judge, enum outcome outcome, uint64_t n, bool all,
                  const char *said, struct scarce_counts *counts) {
    for (uint32_t i = 0; i < SCARCE_LINES && scene->judge[i].line; i++) {
        const char *answer = ask(judge, scene, scene->judge[i].line);
        const char *wanted = outcome == DONE      ? scene->judge[i].done
                             : outcome == REFUSED ? scene->judge[i].refused
                                                  : NULL;
        if (wanted && !begins_with_any(answer, wanted)) {
            fprintf(stderr, "%s, allocation %llu%s failed, it was %s (%s): '%s' answers '%s', not '%s'\n", scene->name,
                    (unsigned long long)n, all ? " and all behind it" : "", outcome == DONE ? "done" : "refused", said,
                    scene->judge[i].line, answer, wanted);
            counts->wrong++;
        }
        ASSERT(!judge->cut);
    }
}

static void judge_listener(const struct scene *scene, struct talker *listener, enum outcome outcome, uint64_t n,
                           struct scarce_counts *counts) {
    if (!scene->heard[0] || (outcome != DONE && !scene->always))
        return;
    MAYBE(ask(listener, scene, "PING"));
    bool heard = listener->cut;
    for (uint32_t i = 0; i < 4 && scene->heard[i]; i++)
        heard |= strstr(listener->heard, scene->heard[i]) != NULL;
    if (!heard)
        fprintf(stderr, "%s, allocation %llu failed: the listener has heard '%s'\n", scene->name, (unsigned long long)n,
                listener->heard);
    counts->wrong += !heard;
}

static void ask_all(struct talker *talker, const struct scene *scene, const char *const lines[SCARCE_LINES],
                    bool succeed) {
    for (uint32_t i = 0; i < SCARCE_LINES && lines[i]; i++) {
        const char *answer = ask(talker, scene, lines[i]);
        if (succeed && answer[0] == '-')
            fprintf(stderr, "%s: '%s' answers '%s'\n", scene->name, lines[i], answer);
        ASSERT(!succeed || answer[0] != '-');
    }
}

/* False: nothing has failed, so it is over. */
static bool round_of(struct server *server, const struct scene *scene, uint64_t n, bool all,
                     struct scarce_counts *counts) {
    struct talker *watcher = talker_new(server, false), *actor = talker_new(server, scene->resp3), *listener = NULL;
    ask_all(watcher, scene, scene->prepare, true);
    if (scene->listen[0]) {
        listener = talker_new(server, scene->resp3);
        ask_all(listener, scene, scene->listen, true);
        listener->heard[0] = 0;
    }
    scarce_fail_from(n, all);
    ask_all(actor, scene, scene->act, false);
    bool has_failed = scarce_fail_no_more();
    enum outcome outcome = outcome_of(scene, actor, counts);
    counts->rounds++;
    counts->done += outcome == DONE;
    counts->refused += outcome == REFUSED;
    counts->cut += outcome == CUT;
    if (listener)
        judge_listener(scene, listener, outcome, n, counts);
    judge(scene, watcher, outcome, n, all, actor->text, counts);
    ASSERT(has_failed || outcome == DONE || scene->may_refuse);
    talker_free(watcher);
    talker_free(actor);
    if (listener)
        talker_free(listener);
    return has_failed;
}

void scarce_play(struct server *server, const struct scene *scene, struct scarce_counts *counts) {
    for (int all = 0; all < 2; all++) {
        uint64_t n = 0;
        while (round_of(server, scene, n, all, counts))
            ASSERT(++n < ROUNDS_MAX);
    }
}
