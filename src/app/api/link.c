#include "app/api/link.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/server/inside.h"
#include "base/assert.h"
#include "sys/os/socket.h"

enum {
    TICK_MS = 1000,
    READ_PIECE = 64 * 1024,
    READS_AT_ONCE = 16, /* of one link, before others have their turn */
    BUFFER_KEEP = 256 * 1024,
    ARENA_CHUNK = 16 * 1024,
    REPLY_MEMBERS_MAX = 1 << 22,
    HELD_SMALL = 1024 * 1024,  /* of one link; such are not given up for others */
    SHARED_PENDING_MAX = 1024, /* asks in a row on one link */
    STUCK_MAX = 32,            /* that find no link in one round, until it ends */
};

/* An ask that was sent, or waits for its link to open. */
struct pending {
    struct pending *next;
    struct ask *ask; /* NULL: nobody waits for the replies */
    uint32_t expected;
    uint64_t until_ms;
};

enum link_state { LINK_OPENING, LINK_OPEN, LINK_DEAD };

struct link {
    struct http_source source; /* first */
    struct links *links;
    struct link *next;
    enum link_state state;
    struct share *share;
    uint32_t db;
    char machine[SOCKET_TEXT_SIZE]; /* of its client */
    uint64_t users_version, idle_since_ms;
    bool shared;           /* any ask that is alike may be sent */
    bool deaf;             /* pushes are not read */
    struct ask *holder;    /* NULL: nobody */
    uint32_t greeting;     /* replies to come before it is open */
    struct buf out, later; /* later: asks that wait for it to open */
    size_t out_sent;
    struct buf in, sizes; /* sizes: of those that arrived, as far as somebody waits for them */
    size_t taken;         /* bytes of `in` that these take */
    uint32_t arrived;     /* replies of the first pending, or of the greeting */
    size_t counted;       /* capacity of `in`, as it stands in held_bytes */
    struct resp_reply_scanner scanner;
    struct arena arena;
    struct pending *first, *last;
    uint32_t pending_count;
};

struct links {
    struct server *server;
    struct http_loop *loop;
    struct link *first, *dead;
    uint32_t count;
    struct http_timer tick;
    struct http_task serve; /* those who wait */
    struct ask *waiting_first, *waiting_last;
    uint32_t waiting_count;
    uint64_t held_bytes, held_max; /* replies that are not complete */
    struct shares shares;
};

/* ------------------------------------------------------------------------------------------ the end of one */

static void free_link(struct link *link) {
    buf_fini(&link->out);
    buf_fini(&link->later);
    buf_fini(&link->in);
    buf_fini(&link->sizes);
    arena_fini(&link->arena);
    memory_give(&memory_libc, link, sizeof *link);
}

static void free_dead(struct links *links) {
    while (links->dead) {
        struct link *link = links->dead;
        links->dead = link->next;
        free_link(link);
    }
}

/* Somebody may get a link now. */
static void serve_later(struct links *links) {
    if (links->waiting_first)
        http_loop_later(links->loop, &links->serve);
}

static void hold(struct link *link, struct ask *ask) {
    link->holder = ask;
    link->shared = false;
    link->share->held++;
    ask->link = link;
}

static void let_go(struct link *link) {
    if (!link->holder)
        return;
    link->holder->link = NULL;
    link->holder = NULL;
    link->share->held--;
}

/* The memory goes with the next tick: who is called back may still stand in it. */
static void bury(struct link *link) {
    struct links *links = link->links;
    struct link **at = &links->first;
    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    link->next = links->dead;
    links->dead = link;
    links->count--;
    links->held_bytes -= link->counted;
    link->counted = 0;
    let_go(link);
    link->share->links--;
    share_unref(&links->shares, link->share);
    link->share = NULL;
    link->state = LINK_DEAD;
    http_loop_forget(links->loop, &link->source);
    close(link->source.source.fd);
    serve_later(links);
}

static struct pending *take_first(struct link *link) {
    struct pending *pending = link->first;
    link->first = pending->next;
    if (!link->first)
        link->last = NULL;
    link->pending_count--;
    return pending;
}

static void tell(struct ask *ask, enum ask_outcome outcome, const struct resp_value *replies, uint32_t count) {
    ask->pending = NULL;
    ask->done(ask, outcome, replies, count);
}

static bool is_current(const struct link *link) {
    return link->users_version == server_users_version(link->links->server);
}

/* Whoever waits for something by this link hears of it; `first_outcome` is that of the first. `reply`: why, to all. */
static void give_up(struct link *link, enum ask_outcome first_outcome, enum ask_outcome outcome,
                    const struct resp_value *reply) {
    if (link->state == LINK_DEAD)
        return;
    bool changed = !is_current(link);
    first_outcome = changed && first_outcome == ASK_LOST ? ASK_CUT : first_outcome;
    outcome = changed && outcome == ASK_LOST ? ASK_CUT : outcome;
    struct ask *holder = link->holder;
    bury(link);
    while (link->first) {
        struct pending *pending = take_first(link);
        struct ask *ask = pending->ask;
        memory_give(&memory_libc, pending, sizeof *pending);
        if (ask == holder)
            holder = NULL;
        if (ask)
            tell(ask, first_outcome, reply, reply ? 1 : 0);
        first_outcome = outcome;
    }
    if (holder)
        tell(holder, outcome, NULL, 0);
}

static void lose(struct link *link) { give_up(link, ASK_LOST, ASK_LOST, NULL); }

/* ------------------------------------------------------------------------------------------ bytes */

static bool reads(const struct link *link) { return !link->deaf || link->first; }

static void update_interest(struct link *link) {
    uint32_t interest = (reads(link) ? LOOP_READ : 0u) | (link->out_sent < link->out.size ? LOOP_WRITE : 0u);
    if (http_loop_change(link->links->loop, &link->source, interest) != STATUS_OK)
        lose(link);
}

static void send_some(struct link *link) {
    while (link->out_sent < link->out.size) {
        ssize_t sent = send(link->source.source.fd, link->out.data + link->out_sent, link->out.size - link->out_sent,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            link->out_sent += (size_t)sent;
        } else if (errno == EAGAIN) {
            break;
        } else if (errno != EINTR) {
            link->out_sent = link->out.size; /* why it was closed may be there to be read, and then that it was */
        }
    }
    if (link->out_sent == link->out.size) {
        buf_clear(&link->out);
        buf_shrink(&link->out, BUFFER_KEEP);
        link->out_sent = 0;
    }
    update_interest(link);
}

/* The replies of the first pending, or a push, as trees; they live until the arena is reset. */
static enum status build(struct link *link, struct resp_value *ret_values) {
    const size_t *sizes = (const size_t *)(const void *)link->sizes.data;
    size_t at = 0;
    for (size_t i = 0; i < link->sizes.size / sizeof *sizes; i++) {
        TRY(resp_reply_build(slice_make(link->in.data + at, sizes[i]), &link->arena, &ret_values[i]));
        at += sizes[i];
    }
    return STATUS_OK;
}

static void forget_replies(struct link *link) {
    buf_consume(&link->in, link->taken);
    buf_shrink(&link->in, BUFFER_KEEP);
    link->links->held_bytes -= link->counted - link->in.capacity;
    link->counted = link->in.capacity;
    link->taken = 0;
    buf_clear(&link->sizes);
}

/* Nobody waits for the replies of the first pending any more. */
static bool is_unwanted(const struct link *link) {
    return link->state == LINK_OPEN && link->first && !link->first->ask;
}

/* Throws away what is there of an unwanted reply that is not complete. */
static void drop_some(struct link *link) {
    size_t size = link->scanner.position;
    if (link->taken)
        forget_replies(link);
    resp_reply_drop(&link->scanner, size);
    link->taken = size;
    forget_replies(link);
}

/* Who has not been let in is told so; else what waited is sent. */
static void greeted(struct link *link, const struct resp_value *replies, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (resp_type_is_error(replies[i].type)) {
            give_up(link, ASK_REFUSED, ASK_REFUSED, &replies[i]);
            return;
        }
    link->state = LINK_OPEN;
    if (buf_append_slice(&link->out, buf_slice(&link->later)) != STATUS_OK) {
        lose(link);
        return;
    }
    buf_fini(&link->later);
    buf_init(&link->later, &memory_libc);
    send_some(link);
}

/* The worker closes the connection behind it. */
static bool is_farewell(const struct resp_value *reply) {
    return resp_type_is_error(reply->type) && slice_starts_with(reply->text, SLICE("ERR Protocol error"));
}

static void deliver_to(struct link *link, struct ask *ask) {
    uint32_t count = link->arrived;
    struct resp_value *replies = arena_take(&link->arena, count * sizeof *replies);
    if (!replies || build(link, replies) != STATUS_OK) {
        lose(link);
    } else if (link->state == LINK_OPENING) {
        greeted(link, replies, count);
    } else {
        link->shared &= !is_farewell(&replies[count - 1]);
        tell(ask, ASK_ANSWERED, replies, count);
    }
}

/* All replies of the first pending, or of the greeting, are there. */
static void deliver(struct link *link) {
    struct ask *ask = NULL;
    if (link->state == LINK_OPEN) {
        struct pending *pending = take_first(link);
        ask = pending->ask;
        memory_give(&memory_libc, pending, sizeof *pending);
        link->idle_since_ms = http_loop_now_ms(link->links->loop);
        serve_later(link->links);
    }
    if (ask || link->state == LINK_OPENING)
        deliver_to(link, ask);
    if (link->state == LINK_DEAD)
        return;
    forget_replies(link);
    link->arrived = 0;
    arena_reset(&link->arena);
}

static void deliver_push(struct link *link, struct slice bytes) {
    struct resp_value message;
    if (!link->holder || !link->holder->push)
        return;
    if (!is_current(link)) { /* it may be told no more, until it has said again who it is */
        lose(link);
        return;
    }
    if (resp_reply_build(bytes, &link->arena, &message) != STATUS_OK)
        lose(link);
    else
        link->holder->push(link->holder, &message);
    if (link->state != LINK_DEAD)
        arena_reset(&link->arena);
}

static void take_reply(struct link *link, const struct resp_reply_item *item) {
    uint32_t expected = link->state == LINK_OPENING ? link->greeting : link->first ? link->first->expected : 0;
    if (expected == 0 || buf_append(&link->sizes, &item->size, sizeof item->size) != STATUS_OK) {
        lose(link);
        return;
    }
    link->taken += item->size;
    if (is_unwanted(link))
        forget_replies(link);
    if (++link->arrived == expected)
        deliver(link);
}

/* One reply or push from the input. False: there is none, or the link is gone. */
static bool take_one(struct link *link) {
    struct resp_reply_item item;
    struct slice input = slice_part(buf_slice(&link->in), link->taken, SIZE_MAX);
    enum resp_reply_result result = input.size ? resp_reply_skip(&link->scanner, input, &item) : RESP_REPLY_MORE;
    if (result == RESP_REPLY_MORE && is_unwanted(link))
        drop_some(link);
    if (result == RESP_REPLY_MORE && link->in.size <= ASK_REPLY_SIZE_MAX)
        return false;
    if (result == RESP_REPLY_MORE) {
        give_up(link, ASK_LARGE, ASK_LOST, NULL);
        return false;
    }
    if (result != RESP_REPLY_DONE) {
        lose(link);
        return false;
    }
    if (item.type == RESP_PUSH) {
        /* Those that come between the replies of one ask are not looked at: nobody who listens asks for several. */
        if (link->sizes.size == 0)
            deliver_push(link, slice_make(input.data, item.size));
        if (link->state == LINK_DEAD)
            return false;
        memmove(link->in.data + link->taken, input.data + item.size, input.size - item.size);
        link->in.size -= item.size;
        return true;
    }
    take_reply(link, &item);
    return link->state != LINK_DEAD;
}

static void take_input(struct link *link) {
    while (reads(link) && take_one(link))
        ;
}

/* A reply says how large it is: it gets its room at once, and is refused before it was read if it has none. */
static size_t room_wanted(const struct link *link) {
    uint64_t left = is_unwanted(link) ? 0 : link->scanner.bulk_left;
    left = left < ASK_REPLY_SIZE_MAX ? left : ASK_REPLY_SIZE_MAX;
    return left > READ_PIECE ? (size_t)left : READ_PIECE;
}

/* When all together hold too much, and this one is large, its reply is thrown away as it comes. */
static void count_held(struct link *link) {
    struct links *links = link->links;
    links->held_bytes += link->in.capacity - link->counted;
    link->counted = link->in.capacity;
    if (links->held_bytes <= links->held_max || link->counted <= HELD_SMALL)
        return;
    struct pending *pending = link->state == LINK_OPEN ? link->first : NULL;
    struct ask *ask = pending ? pending->ask : NULL;
    if (!ask) {
        lose(link);
        return;
    }
    pending->ask = NULL;
    tell(ask, link->counted > links->held_max ? ASK_LARGE : ASK_FULL, NULL, 0);
    if (link->state != LINK_DEAD)
        drop_some(link);
}

static void receive(struct link *link) {
    for (int i = 0; i < READS_AT_ONCE && link->state != LINK_DEAD && reads(link); i++) {
        if (buf_reserve(&link->in, room_wanted(link)) != STATUS_OK) {
            lose(link);
            return;
        }
        count_held(link);
        if (link->state == LINK_DEAD)
            return;
        ssize_t got = recv(link->source.source.fd, link->in.data + link->in.size, link->in.capacity - link->in.size,
                           MSG_DONTWAIT);
        if (got > 0) {
            link->in.size += (size_t)got;
            take_input(link);
        } else if (got < 0 && errno == EINTR) {
            continue;
        } else if (got < 0 && errno == EAGAIN) {
            break;
        } else {
            lose(link);
            return;
        }
    }
    if (link->state != LINK_DEAD)
        update_interest(link);
}

static void ready(struct http_source *source, uint32_t what) {
    struct link *link = (struct link *)source;
    if (link->state != LINK_DEAD && (what & LOOP_WRITABLE))
        send_some(link);
    if (link->state != LINK_DEAD && (what & (LOOP_READABLE | LOOP_BROKEN)))
        receive(link);
}

/* ------------------------------------------------------------------------------------------ begin */

static enum status greet_with(struct link *link, const struct slice *words, size_t count) {
    link->greeting++;
    return resp_request_write(&link->out, words, count);
}

static enum status greet(struct link *link, const struct link_identity *identity) {
    const struct slice auth[] = {SLICE("AUTH"), identity->user, identity->secret};
    const struct slice token[] = {SLICE("TOKEN"), SLICE("AUTH"), identity->secret};
    const struct slice hello[] = {SLICE("HELLO"), SLICE("3")};
    char number[16];
    if (identity->kind == LINK_PASSWORD)
        TRY(greet_with(link, auth, 3));
    else if (identity->kind == LINK_TOKEN)
        TRY(greet_with(link, token, 3));
    TRY(greet_with(link, hello, 2));
    snprintf(number, sizeof number, "%u", identity->db);
    const struct slice select[] = {SLICE("SELECT"), slice_from_string(number)};
    return identity->db ? greet_with(link, select, 2) : STATUS_OK;
}

/* Without the port. */
static struct slice machine_of(const char *client) {
    const char *port = strrchr(client, ':');
    return slice_make(client, port ? (size_t)(port - client) : strlen(client));
}

/* Of the same identity; by the machine since protected mode asks for it when a connection begins, and lists and logs name it. */
static bool is_alike(const struct link *link, const struct ask *ask) {
    return link->share == ask->share && link->db == ask->identity.db &&
           slice_equal(slice_from_string(link->machine), machine_of(ask->identity.client));
}

static struct link *make_link(struct links *links, int fd) {
    struct link *link = memory_take(&memory_libc, sizeof *link);
    if (!link)
        return NULL;
    *link = (struct link){.links = links, .state = LINK_OPENING};
    link->source = (struct http_source){.source = {.fd = fd}, .ready = ready};
    buf_init(&link->out, &memory_libc);
    buf_init(&link->later, &memory_libc);
    buf_init(&link->in, &memory_libc);
    buf_init(&link->sizes, &memory_libc);
    arena_init(&link->arena, &memory_libc, ARENA_CHUNK);
    const struct resp_reply_limits limits = {ASK_REPLY_SIZE_MAX, REPLY_MEMBERS_MAX};
    resp_reply_scanner_init(&link->scanner, &limits);
    return link;
}

static enum ask_outcome outcome_of(enum status status) {
    switch (status) {
        case STATUS_OK:
            return ASK_UNDER_WAY;
        case STATUS_CLOSED:
            return ASK_LOST;
        case STATUS_INVALID:
            return ASK_REFUSED;
        case STATUS_BUSY:
            return ASK_FAR;
        default:
            return ASK_FULL;
    }
}

static void join(struct link *link, const struct ask *ask) {
    struct links *links = link->links;
    struct slice machine = machine_of(ask->identity.client);
    link->share = share_ref(ask->share);
    link->share->links++;
    link->db = ask->identity.db;
    snprintf(link->machine, sizeof link->machine, "%.*s", (int)machine.size, (const char *)machine.data);
    link->next = links->first;
    links->first = link;
    links->count++;
}

static enum status open_link(struct links *links, const struct ask *ask, struct link **ret_link) {
    const struct link_identity *identity = &ask->identity;
    const struct server_inside inside = {
        .address = identity->client,
        .name = "http",
        .user = identity->kind == LINK_CERTIFICATE ? identity->user : (struct slice){0}};
    int fd;
    /* Before a password is judged: a change in between makes the link a thing of the past. */
    uint64_t version = server_users_version(links->server);
    TRY(server_open_inside(links->server, &inside, &fd));
    struct link *link = make_link(links, fd);
    enum status status = link ? greet(link, identity) : STATUS_NO_MEMORY;
    if (status == STATUS_OK)
        status = http_loop_watch(links->loop, &link->source, LOOP_READ | LOOP_WRITE);
    if (status != STATUS_OK) {
        close(fd);
        if (link)
            free_link(link);
        return status;
    }
    link->users_version = version;
    join(link, ask);
    *ret_link = link;
    return STATUS_OK;
}

/* One that nobody uses is closed to make room; `share` NULL: whosever it is. */
static void make_room(struct links *links, const struct share *share) {
    struct link *oldest = NULL;
    for (struct link *link = links->first; link; link = link->next)
        if (!link->first && !link->holder && (!share || link->share == share) &&
            (!oldest || link->idle_since_ms < oldest->idle_since_ms))
            oldest = link;
    if (oldest)
        lose(oldest);
}

/* The least busy of those that the ask may be sent to; `ret_alike` counts them. Those that judged a password before users changed are no longer among them. */
static struct link *least_busy(struct links *links, const struct ask *ask, uint32_t *ret_alike) {
    struct link *best = NULL, *next;
    *ret_alike = 0;
    for (struct link *link = links->first; link; link = next) {
        next = link->next;
        if (!link->shared || !is_alike(link, ask))
            continue;
        if (!is_current(link)) {
            link->shared = false; /* what it was asked is still answered */
            if (!link->first)
                lose(link);
            continue;
        }
        ++*ret_alike;
        if (!best || link->pending_count < best->pending_count)
            best = link;
    }
    return best;
}

static enum ask_outcome find_link(struct links *links, const struct ask *ask, struct link **ret_link) {
    uint32_t alike;
    const struct share *share = ask->share;
    struct link *best = least_busy(links, ask, &alike);
    bool good = best && (best->pending_count == 0 || (!ask->holds && alike >= LINKS_ALIKE_MAX));
    if (!good && share->links >= LINKS_OF_ONE_MAX)
        make_room(links, share);
    else if (!good && links->count >= LINKS_MAX)
        make_room(links, NULL);
    if (!good && share->links < LINKS_OF_ONE_MAX && links->count < LINKS_MAX) {
        enum status status = open_link(links, ask, &best);
        if (status != STATUS_OK)
            return outcome_of(status);
        best->shared = !ask->holds;
    }
    if (!best || (ask->holds && best->pending_count) || best->pending_count >= SHARED_PENDING_MAX)
        return ASK_FULL;
    *ret_link = best;
    return ASK_UNDER_WAY;
}

/* Most asks fit into the socket. What goes wrong is dealt with when the loop says so, as nobody is called back from here. */
static void send_at_once(struct link *link) {
    size_t size = link->out.size - link->out_sent;
    ssize_t sent = send(link->source.source.fd, link->out.data + link->out_sent, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0)
        link->out_sent += (size_t)sent;
    if (link->out_sent == link->out.size) {
        buf_clear(&link->out);
        link->out_sent = 0;
    } else if (http_loop_change(link->links->loop, &link->source, LOOP_READ | LOOP_WRITE) != STATUS_OK) {
        link->first->until_ms = 0; /* it is found to be late */
    }
}

static enum ask_outcome put(struct link *link, struct ask *ask) {
    struct pending *pending = memory_take(&memory_libc, sizeof *pending);
    struct buf *to = link->state == LINK_OPENING ? &link->later : &link->out;
    if (!pending || buf_append_slice(to, buf_slice(&ask->commands)) != STATUS_OK) {
        memory_give(&memory_libc, pending, sizeof *pending);
        return ASK_FULL;
    }
    uint64_t now_ms = http_loop_now_ms(link->links->loop);
    *pending = (struct pending){.ask = ask,
                                .expected = ask->expected,
                                .until_ms = ask->patient ? UINT64_MAX : now_ms + ASK_MS_MAX + ask->grace_ms};
    buf_clear(&ask->commands);
    buf_shrink(&ask->commands, 0);
    ask->expected = 0;
    ask->pending = pending;
    if (link->last)
        link->last->next = pending;
    else
        link->first = pending;
    link->last = pending;
    link->pending_count++;
    if (link->state == LINK_OPEN)
        send_at_once(link);
    return ASK_UNDER_WAY;
}

static enum ask_outcome ask_at_once(struct links *links, struct ask *ask) {
    struct link *link = ask->link;
    if (!link && ask->holds && ask->share->held >= LINKS_HELD_OF_ONE_MAX)
        return ASK_FULL;
    if (!link) {
        enum ask_outcome outcome = find_link(links, ask, &link);
        if (outcome != ASK_UNDER_WAY)
            return outcome;
    }
    enum ask_outcome outcome = put(link, ask);
    if (outcome == ASK_UNDER_WAY && ask->holds && !ask->link)
        hold(link, ask);
    return outcome;
}

/* ------------------------------------------------------------------------------------------ those who wait for a link */

static enum ask_outcome wait_for_link(struct links *links, struct ask *ask) {
    if (ask->share->waiting == ASKS_WAITING_OF_ONE_MAX)
        return ASK_SHARE;
    if (links->waiting_count == ASKS_WAITING_MAX)
        return ASK_FULL;
    ask->waits = true;
    ask->waits_next = NULL;
    ask->waits_previous = links->waiting_last;
    ask->waits_until_ms = http_loop_now_ms(links->loop) + ASK_MS_MAX;
    if (links->waiting_last)
        links->waiting_last->waits_next = ask;
    else
        links->waiting_first = ask;
    links->waiting_last = ask;
    links->waiting_count++;
    ask->share->waiting++;
    return ASK_UNDER_WAY;
}

static void wait_no_more(struct ask *ask) {
    struct links *links = ask->links;
    if (ask->waits_previous)
        ask->waits_previous->waits_next = ask->waits_next;
    else
        links->waiting_first = ask->waits_next;
    if (ask->waits_next)
        ask->waits_next->waits_previous = ask->waits_previous;
    else
        links->waiting_last = ask->waits_previous;
    links->waiting_count--;
    ask->share->waiting--;
    ask->waits = false;
}

/* Those that have found no link in this round. */
struct stuck {
    const struct ask *asks[STUCK_MAX];
    uint32_t count;
};

/* Whether it would find no more than one of these has. */
static bool is_stuck(const struct stuck *stuck, const struct ask *ask) {
    for (uint32_t i = 0; i < stuck->count; i++) {
        const struct ask *other = stuck->asks[i];
        if (other->share == ask->share && other->holds == ask->holds && other->identity.db == ask->identity.db &&
            slice_equal(machine_of(other->identity.client), machine_of(ask->identity.client)))
            return true;
    }
    return false;
}

/* In their order; who finds none is passed over, and so are those who would find the same. */
static void serve(struct http_task *task) {
    struct links *links = (struct links *)(void *)((uint8_t *)task - offsetof(struct links, serve));
    uint64_t now_ms = http_loop_now_ms(links->loop);
    struct stuck stuck = {.count = 0};
    for (struct ask *ask = links->waiting_first; ask && stuck.count < STUCK_MAX;) {
        struct ask *next = ask->waits_next;
        enum ask_outcome outcome = now_ms >= ask->waits_until_ms ? ASK_LATE : ASK_FULL;
        if (outcome == ASK_FULL && !is_stuck(&stuck, ask)) {
            outcome = ask_at_once(links, ask);
            if (outcome == ASK_FULL)
                stuck.asks[stuck.count++] = ask;
        }
        if (outcome != ASK_FULL)
            wait_no_more(ask);
        if (outcome != ASK_FULL && outcome != ASK_UNDER_WAY) {
            tell(ask, outcome, NULL, 0);
            stuck.count = 0; /* who was told may have ended others */
            next = links->waiting_first;
        }
        ask = next;
    }
}

enum status links_know(struct links *links, const struct link_identity *identity, struct ask *ask) {
    ask->identity = *identity;
    ask->links = links;
    return ask->share ? STATUS_OK : shares_find(&links->shares, identity, &ask->share);
}

enum ask_outcome links_ask(struct links *links, const struct link_identity *identity, struct ask *ask) {
    ASSERT(!ask->pending && !ask->waits && ask->expected > 0);
    if (links_know(links, identity, ask) != STATUS_OK)
        return ASK_FULL;
    enum ask_outcome outcome = ask_at_once(links, ask);
    return outcome == ASK_FULL && !ask->link ? wait_for_link(links, ask) : outcome;
}

void ask_end(struct ask *ask, bool clean) {
    struct link *link = ask->link;
    if (ask->waits)
        wait_no_more(ask);
    if (ask->pending)
        ask->pending->ask = NULL;
    if (link) {
        let_go(link);
        link->deaf = false;
        if (clean && !ask->pending && is_current(link)) {
            link->shared = true;
            serve_later(link->links);
        } else {
            lose(link);
        }
    }
    ask->pending = NULL;
    if (ask->share)
        share_unref(&ask->links->shares, ask->share);
    ask->share = NULL;
    buf_fini(&ask->commands);
    buf_init(&ask->commands, &memory_libc);
}

void ask_listen(struct ask *ask, bool listens) {
    struct link *link = ask->link;
    if (!link || link->deaf == !listens)
        return;
    link->deaf = !listens;
    take_input(link);
    if (link->state != LINK_DEAD)
        update_interest(link);
}

/* ------------------------------------------------------------------------------------------ time */

static void look_after(struct link *link, uint64_t now_ms) {
    bool idle = !link->first && !link->holder;
    if (link->first && now_ms > link->first->until_ms)
        give_up(link, ASK_LATE, ASK_LOST, NULL);
    else if (!is_current(link) && (idle || (link->holder && link->holder->patient)))
        lose(link); /* who listens says again who he is */
    else if (idle && now_ms - link->idle_since_ms > LINK_IDLE_MS)
        lose(link);
}

static void tick(struct http_timer *timer) {
    struct links *links = (struct links *)(void *)((uint8_t *)timer - offsetof(struct links, tick));
    uint64_t now_ms = http_loop_now_ms(links->loop);
    free_dead(links);
    for (struct link *link = links->first; link;) {
        struct link *next = link->next;
        look_after(link, now_ms);
        /* Who was told may have ended others. */
        link = next && next->state != LINK_DEAD ? next : NULL;
    }
    serve_later(links);
    MAYBE(http_loop_set(links->loop, &links->tick, now_ms + TICK_MS) != STATUS_OK);
}

enum status links_new(struct server *server, struct http_loop *loop, uint64_t held_bytes_max,
                      struct links **ret_links) {
    struct links *links = memory_take(&memory_libc, sizeof *links);
    if (!links)
        return STATUS_NO_MEMORY;
    *links = (struct links){
        .server = server, .loop = loop, .held_max = held_bytes_max, .tick = {.due = tick}, .serve = {.run = serve}};
    shares_init(&links->shares);
    enum status status = http_loop_set(loop, &links->tick, http_loop_now_ms(loop) + TICK_MS);
    if (status != STATUS_OK) {
        memory_give(&memory_libc, links, sizeof *links);
        return status;
    }
    *ret_links = links;
    return STATUS_OK;
}

void links_free(struct links *links) {
    if (!links)
        return;
    while (links->first)
        lose(links->first);
    free_dead(links);
    http_loop_clear(links->loop, &links->tick);
    shares_fini(&links->shares);
    memory_give(&memory_libc, links, sizeof *links);
}

uint32_t links_count(const struct links *links) { return links->count; }
