#include "app/bench/generator.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "app/bench/answers.h"
#include "app/bench/pace.h"
#include "app/bench/requests.h"
#include "app/link/server_link.h"
#include "base/assert.h"
#include "sys/os/clock.h"

enum {
    INPUT_SIZE = 256 * 1024,
    EVENTS_MAX = 512,
    WAIT_MS_MAX = 100, /* so that the end of the time and a stop are seen */
};

struct client {
    struct loop_source source;
    struct server_wire wire;
    struct request *requests; /* of the batch under way */
    uint32_t count, answered; /* 0 requests: free */
    size_t sent_bytes;        /* of the batch */
    size_t batch_bytes;
    uint64_t since_ns; /* latency counts from here */
    struct answers answers;
    uint8_t *rest; /* the unfinished reply that was received last */
    size_t rest_size, rest_capacity;
};

struct state {
    struct generator *generator;
    const struct bench_options *options;
    const struct memory *memory;
    struct loop *loop;
    struct tls_context *trust; /* NULL: plain */
    struct client *clients;
    uint32_t client_count;
    struct client **free; /* ring of free clients, longest free first */
    uint32_t free_first, free_count;
    struct requests writer;
    struct rng rng;
    uint64_t set_below;   /* a random number's low 32 bits below this: set */
    uint64_t next_key;    /* --load: the next in order */
    uint64_t budget;      /* requests still to be started; UINT64_MAX: no limit */
    uint64_t deadline_ns; /* no batch starts from here on; UINT64_MAX: no limit */
    uint64_t warm_ns;     /* counting begins; 0: it has begun */
    uint64_t heard_ns;    /* the last time that anything was received */
    uint64_t outstanding; /* clients with a batch under way */
    struct pace pace;
    uint64_t paced; /* batches started in the open loop */
    bool verify;
    uint8_t *input;
    size_t input_size;
};

/* ----------------------------------------------------------------------- failing */

static void fail(struct state *state, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void fail(struct state *state, const char *format, ...) {
    va_list arguments;
    struct generator_result *result = &state->generator->result;
    if (!result->failure[0]) {
        va_start(arguments, format);
        vsnprintf(result->failure, sizeof result->failure, format, arguments);
        va_end(arguments);
    }
    atomic_store(&state->generator->plan->stop, true);
}

static bool failed(const struct state *state) { return state->generator->result.failure[0] != 0; }

/* ----------------------------------------------------------------------- sending */

static void fill_batch(struct state *state, struct client *client, uint32_t count) {
    const struct keypick *pick = state->generator->plan->pick;
    for (uint32_t i = 0; i < count; i++) {
        if (state->options->load) {
            client->requests[i] = (struct request){(uint32_t)state->next_key++, true};
            continue;
        }
        bool is_set = (rng_next(&state->rng) & UINT32_MAX) < state->set_below;
        client->requests[i] = (struct request){(uint32_t)keypick_next(pick, &state->rng), is_set};
    }
    client->count = count;
    client->answered = 0;
    client->sent_bytes = client->batch_bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        client->batch_bytes += requests_size(&state->writer, client->requests[i].is_set);
}

static bool is_unsent(const struct client *client) { return client->sent_bytes < client->batch_bytes; }

static void watch(struct state *state, struct client *client) {
    bool writes = server_wire_events(&client->wire, is_unsent(client)) & POLLOUT;
    if (loop_change(state->loop, &client->source, writes ? LOOP_READ | LOOP_WRITE : LOOP_READ) != STATUS_OK)
        fail(state, "cannot watch a connection: %s", strerror(errno));
}

/* Sends what is left of the batch, from the request on that was cut. */
static void send_batch(struct state *state, struct client *client) {
    uint32_t first = 0;
    size_t before = 0; /* bytes of the requests before `first` */
    while (before + requests_size(&state->writer, client->requests[first].is_set) <= client->sent_bytes)
        before += requests_size(&state->writer, client->requests[first++].is_set);
    struct slice bytes = requests_write(&state->writer, client->requests + first, client->count - first);
    bytes = slice_part(bytes, client->sent_bytes - before, bytes.size);
    size_t sent;
    if (server_wire_write(&client->wire, bytes, &sent) == STATUS_IO)
        return fail(state, "the connection broke while sending: %s", server_wire_reason(&client->wire));
    client->sent_bytes += sent;
    watch(state, client);
}

static bool may_start(const struct state *state, uint64_t now_ns) {
    return state->budget > 0 && now_ns < state->deadline_ns &&
           !atomic_load_explicit(&state->generator->plan->stop, memory_order_relaxed);
}

static void start_batch(struct state *state, struct client *client, uint64_t since_ns) {
    uint64_t count = state->options->pipeline < state->budget ? state->options->pipeline : state->budget;
    if (state->budget != UINT64_MAX)
        state->budget -= count;
    state->outstanding++;
    fill_batch(state, client, (uint32_t)count);
    client->since_ns = since_ns;
    send_batch(state, client);
}

/* Open loop: starts what is due, as far as there are free clients. */
static void start_due(struct state *state, uint64_t now_ns) {
    while (state->free_count && may_start(state, now_ns)) {
        uint64_t due_ns = pace_due_ns(&state->pace, state->paced);
        if (due_ns > now_ns)
            break;
        struct client *client = state->free[state->free_first];
        state->free_first = (state->free_first + 1) % state->client_count;
        state->free_count--;
        state->paced++;
        start_batch(state, client, due_ns);
    }
}

/* --------------------------------------------------------------------- receiving */

static void note_error(struct state *state, struct slice text) {
    struct generator_result *result = &state->generator->result;
    result->counts.errors++;
    if (!result->first_error[0])
        snprintf(result->first_error, sizeof result->first_error, "%.*s", (int)(text.size < 150 ? text.size : 150),
                 text.data ? (const char *)text.data : "");
}

static void take_answer(struct state *state, const struct request *request, const struct answer *answer) {
    struct generator_counts *counts = &state->generator->result.counts;
    counts->answered++;
    counts->gets += !request->is_set;
    if (answer->kind == ANSWER_REFUSED)
        note_error(state, answer->payload);
    else if (request->is_set)
        return;
    else if (answer->kind == ANSWER_MISS)
        counts->misses++;
    else if (answer->kind != ANSWER_VALUE)
        counts->errors++;
    else if (state->verify)
        counts->mismatches += !requests_check(&state->writer, request->key, answer->payload);
}

/* What is behind the last whole answer is kept for the next time; without checks, the understood part of it is not. */
static void keep_rest(struct state *state, struct client *client, struct slice rest) {
    size_t largest = state->options->value_size + 4096; /* more is not one of our values */
    if (rest.size && (!state->verify || rest.size > largest))
        rest = slice_part(rest, answers_drop(&client->answers), rest.size);
    if (rest.size > client->rest_capacity) {
        uint8_t *grown =
            state->memory->resize(state->memory->context, client->rest, client->rest_capacity, rest.size * 2);
        if (!grown)
            return fail(state, "out of memory");
        client->rest = grown;
        client->rest_capacity = rest.size * 2;
    }
    if (rest.size)
        memcpy(client->rest, rest.data, rest.size);
    client->rest_size = rest.size;
}

static void end_batch(struct state *state, struct client *client, uint64_t now_ns) {
    state->outstanding--;
    client->count = 0;
    if (!state->options->rate && may_start(state, now_ns)) {
        start_batch(state, client, now_ns);
    } else {
        state->free[(state->free_first + state->free_count) % state->client_count] = client;
        state->free_count++;
    }
}

/* Answers how many whole replies there were. */
static uint32_t take_answers(struct state *state, struct client *client, struct slice *input) {
    struct answer answer;
    enum answers_result result = ANSWERS_MORE;
    uint32_t before = client->answered;
    while (input->size && (result = answers_next(&client->answers, *input, &answer)) == ANSWERS_DONE) {
        if (client->answered == client->count) {
            fail(state, "the server sent a reply that nobody asked for");
            break;
        }
        take_answer(state, &client->requests[client->answered++], &answer);
        *input = slice_part(*input, answer.size, input->size);
    }
    if (result == ANSWERS_BROKEN)
        fail(state, "not a reply of this protocol: %s", answers_error(&client->answers));
    return client->answered - before;
}

static void receive_some(struct state *state, struct client *client) {
    size_t kept = client->rest_size, received;
    if (kept)
        memcpy(state->input, client->rest, kept);
    enum status status = server_wire_read(&client->wire, state->input + kept, state->input_size - kept, &received);
    if (status == STATUS_AGAIN)
        return;
    if (status == STATUS_CLOSED)
        return fail(state, "the server closed a connection");
    if (status != STATUS_OK)
        return fail(state, "the connection broke: %s", server_wire_reason(&client->wire));
    struct generator_result *result = &state->generator->result;
    uint64_t now_ns = clock_steady_ns();
    struct slice input = slice_make(state->input, kept + received);
    uint32_t count = take_answers(state, client, &input);
    state->heard_ns = now_ns;
    keep_rest(state, client, input);
    if (failed(state) || !count)
        return;
    histogram_add_many(&result->latency_ns, now_ns > client->since_ns ? now_ns - client->since_ns : 0, count);
    result->last_ns = now_ns;
    if (client->answered == client->count)
        end_batch(state, client, now_ns);
}

/* TLS may have taken more from the socket than there was room for, of which the loop would not tell. */
static void receive(struct state *state, struct client *client) {
    do
        receive_some(state, client);
    while (!failed(state) && server_wire_has_more(&client->wire));
    if (client->wire.tls && !failed(state))
        watch(state, client);
}

/* ------------------------------------------------------------------- the main loop */

uint64_t generator_process_cpu_ns(uint64_t process_id) {
    clockid_t clock;
    struct timespec time;
    if (!process_id || clock_getcpuclockid((pid_t)process_id, &clock) != 0 || clock_gettime(clock, &time) != 0)
        return 0;
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* The share of this generator of a number that all generators divide among them. */
static uint64_t share(const struct state *state, uint64_t total) {
    uint64_t threads = state->options->threads;
    return total / threads + (state->generator->index < total % threads);
}

static void begin_counting(struct state *state, uint64_t now_ns) {
    const struct bench_options *options = state->options;
    struct generator_result *result = &state->generator->result;
    state->warm_ns = 0;
    state->budget = options->requests ? share(state, options->requests) : UINT64_MAX;
    state->deadline_ns = options->seconds > 0 ? now_ns + (uint64_t)(options->seconds * 1e9) : UINT64_MAX;
    result->counts = (struct generator_counts){0};
    histogram_clear(&result->latency_ns);
    result->first_ns = result->last_ns = now_ns;
    result->cpu_ns = clock_thread_cpu_ns();
    result->server_cpu_ns = generator_process_cpu_ns(options->server_process);
}

/* How long the loop may sleep. Requests due within a millisecond are waited for awake; or they are late, if that is how it is to be. */
static uint64_t sleep_ms(const struct state *state, uint64_t now_ns) {
    if (!state->options->rate || !state->free_count || !may_start(state, now_ns))
        return state->outstanding ? WAIT_MS_MAX : 0;
    uint64_t wait_ms = pace_wait_ns(&state->pace, state->paced, now_ns) / 1000000 + state->options->relaxed;
    return wait_ms < WAIT_MS_MAX ? wait_ms : WAIT_MS_MAX;
}

static void turn(struct state *state, struct loop_event *events) {
    bool woken;
    uint32_t count = loop_wait(state->loop, sleep_ms(state, clock_steady_ns()), events, EVENTS_MAX, &woken);
    for (uint32_t i = 0; i < count && !failed(state); i++) {
        struct client *client = (struct client *)events[i].source;                 /* its first member */
        if (events[i].ready & (LOOP_READABLE | LOOP_BROKEN) || !is_unsent(client)) /* TLS writes when it reads, too */
            receive(state, client);
        if (events[i].ready & LOOP_WRITABLE && is_unsent(client) && !failed(state))
            send_batch(state, client);
    }
    atomic_store_explicit(&state->generator->answered, state->generator->result.counts.answered, memory_order_relaxed);
}

static void run_loop(struct state *state) {
    static_assert(offsetof(struct client, source) == 0, "see turn()");
    struct loop_event events[EVENTS_MAX];
    uint64_t now_ns = state->heard_ns = clock_steady_ns(), stall_ns = (uint64_t)(state->options->stall_s * 1e9);
    state->pace = (struct pace){now_ns, state->options->rate / (double)state->options->threads,
                                (uint32_t)state->options->pipeline};
    begin_counting(state, now_ns);
    if (state->options->warmup_s > 0) {
        state->warm_ns = now_ns + (uint64_t)(state->options->warmup_s * 1e9);
        state->budget = state->deadline_ns = UINT64_MAX;
    }
    if (!state->options->rate) {
        uint32_t count = state->free_count;
        state->free_count = 0;
        for (uint32_t i = 0; i < count; i++) {
            if (may_start(state, now_ns))
                start_batch(state, &state->clients[i], now_ns);
        }
    }
    while (!failed(state)) {
        now_ns = clock_steady_ns();
        if (state->warm_ns && now_ns >= state->warm_ns)
            begin_counting(state, now_ns);
        if (state->options->rate)
            start_due(state, now_ns);
        if (!state->outstanding && !may_start(state, now_ns))
            break;
        if (!state->outstanding)
            state->heard_ns = now_ns;
        else if (now_ns > state->heard_ns + stall_ns)
            return fail(state, "no reply for %g seconds", state->options->stall_s);
        turn(state, events);
    }
}

static void finish(struct state *state) {
    struct generator_result *result = &state->generator->result;
    result->cpu_ns = clock_thread_cpu_ns() - result->cpu_ns;
    if (!state->options->rate || state->deadline_ns == UINT64_MAX)
        return;
    uint64_t due = pace_due_count(&state->pace, state->deadline_ns - 1);
    if (due > state->paced)
        result->unsent = (due - state->paced) * state->options->pipeline;
}

/* ----------------------------------------------------------------- setting up */

/* The login is a matter of the link; then only the bytes are of interest. */
static bool open_wire(struct state *state, struct client *client) {
    struct server_place place = state->options->server.place;
    struct server_link link;
    if (state->options->protocol == REQUESTS_MEMCACHED)
        place.password = NULL; /* that of the environment is for others */
    bool open = server_link_open_with(&link, &place, state->trust);
    if (open)
        client->wire = server_link_take_wire(&link);
    else
        fail(state, "%s", link.problem);
    server_link_close(&link);
    return open;
}

static bool connect_client(struct state *state, struct client *client) {
    const struct bench_options *options = state->options;
    if (!open_wire(state, client))
        return false;
    client->source.fd = client->wire.fd;
    client->requests = memory_take(state->memory, options->pipeline * sizeof *client->requests);
    answers_init(&client->answers, options->protocol);
    if (!client->requests || loop_watch(state->loop, &client->source, LOOP_READ) != STATUS_OK) {
        fail(state, "out of memory");
        return false;
    }
    state->free[state->free_count++] = client;
    return true;
}

static bool set_up(struct state *state) {
    const struct bench_options *options = state->options;
    struct requests_shape shape = {.protocol = options->protocol,
                                   .key_count = options->keys,
                                   .key_size = (uint32_t)options->key_size,
                                   .value_size = (uint32_t)options->value_size,
                                   .batch_max = (uint32_t)options->pipeline,
                                   .checkable = options->verify,
                                   .has_get = options->set_share<1, .has_set = options->set_share> 0};
    state->client_count = (uint32_t)share(state, options->clients);
    state->input_size = INPUT_SIZE + (options->verify ? 2 * options->value_size : 0);
    state->clients = memory_take(state->memory, state->client_count * sizeof *state->clients);
    state->free = memory_take(state->memory, state->client_count * sizeof(struct client *));
    state->input = memory_take(state->memory, state->input_size);
    if (!state->clients || !state->free || !state->input || loop_new(state->memory, &state->loop) != STATUS_OK ||
        requests_init(&state->writer, state->memory, &shape) != STATUS_OK ||
        histogram_init(&state->generator->result.latency_ns, state->memory, HISTOGRAM_SUB_BITS_MAX) != STATUS_OK) {
        fail(state, "out of memory");
        return false;
    }
    for (uint32_t i = 0; i < state->client_count; i++)
        state->clients[i] = (struct client){.source.fd = -1, .wire.fd = -1};
    char problem[SERVER_PROBLEM_SIZE];
    if (!server_wire_trust(&options->server.place, &state->trust, problem)) {
        fail(state, "%s", problem);
        return false;
    }
    for (uint32_t i = 0; i < state->client_count; i++) {
        if (!connect_client(state, &state->clients[i]))
            return false;
    }
    return true;
}

static void tear_down(struct state *state) {
    for (uint32_t i = 0; state->clients && i < state->client_count; i++) {
        struct client *client = &state->clients[i];
        if (client->source.fd < 0)
            continue;
        loop_forget(state->loop, &client->source);
        server_wire_close(&client->wire);
        memory_give(state->memory, client->requests, state->options->pipeline * sizeof *client->requests);
        memory_give(state->memory, client->rest, client->rest_capacity);
    }
    memory_give(state->memory, state->clients, state->client_count * sizeof *state->clients);
    memory_give(state->memory, state->free, state->client_count * sizeof(struct client *));
    memory_give(state->memory, state->input, state->input_size);
    if (state->writer.memory)
        requests_fini(&state->writer);
    if (state->loop)
        loop_free(state->loop);
    if (state->trust)
        tls_context_free(state->trust);
}

void generator_run(void *context) {
    struct generator *generator = context;
    const struct bench_options *options = generator->plan->options;
    struct state state = {.generator = generator,
                          .options = options,
                          .memory = generator->plan->memory,
                          .rng = rng_seeded(options->seed * 0x9e3779b97f4a7c15u + generator->index),
                          .set_below = (uint64_t)(options->set_share * 0x1p32),
                          .verify = options->verify};
    for (uint32_t i = 0; i < generator->index; i++) /* keys that the generators before this one load */
        state.next_key += options->keys / options->threads + (i < options->keys % options->threads);
    if (set_up(&state)) {
        run_loop(&state);
        finish(&state);
    }
    tear_down(&state);
    atomic_store(&generator->ended, true);
    loop_wake(generator->plan->watcher);
}
