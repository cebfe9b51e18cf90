/* app/shell/pipe_mode.c: requests in RESP from standard input, as fast as they go. Behind them goes an ECHO of bytes that nobody else would send; its
 * reply is the last. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "app/shell/modes.h"
#include "base/assert.h"
#include "sys/os/clock.h"
#include "sys/os/random.h"

enum { MARK_SIZE = 20, PIECE = 256 * 1024 };

struct pipe {
    struct session *session;
    struct server_link *link;
    char mark[MARK_SIZE + 1];
    bool input_ended, done, failed;
    uint64_t errors, replies, last_ms;
};

static void draw_mark(char *mark) {
    uint8_t bytes[MARK_SIZE];
    random_bytes(bytes, sizeof bytes);
    for (int i = 0; i < MARK_SIZE; i++)
        mark[i] = (char)('a' + bytes[i] % 26);
    mark[MARK_SIZE] = 0;
}

static void fail(struct pipe *pipe, const char *why) {
    fprintf(stderr, "strata cli: %s\n", why);
    pipe->failed = true;
}

static void read_input(struct pipe *pipe) {
    struct buf *out = &pipe->link->out;
    if (buf_reserve(out, PIECE) != STATUS_OK) {
        fail(pipe, "there is not enough memory");
        return;
    }
    ssize_t size = read(STDIN_FILENO, out->data + out->size, PIECE);
    if (size > 0) {
        out->size += (size_t)size;
        return;
    }
    if (size < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (size < 0) {
        fail(pipe, strerror(errno));
        return;
    }
    const struct slice echo[] = {SLICE("ECHO"), slice_from_string(pipe->mark)};
    pipe->input_ended = true;
    pipe->last_ms = clock_steady_ms();
    if (!server_link_add(pipe->link, echo, 2))
        fail(pipe, pipe->link->problem);
    fputs("All data transferred. Waiting for the last reply...\n", stdout);
    fflush(stdout);
}

static void send(struct pipe *pipe) {
    size_t sent;
    if (server_link_push(pipe->link, buf_slice(&pipe->link->out), &sent))
        buf_consume(&pipe->link->out, sent);
    else
        fail(pipe, pipe->link->problem);
}

static void receive(struct pipe *pipe) {
    struct resp_value reply;
    bool there = true;
    /* Replies before an end count: what is taken first is what came before it. */
    bool more = server_link_pull(pipe->link);
    while (!pipe->done && server_link_take(pipe->link, &reply, &there) && there) {
        pipe->last_ms = clock_steady_ms();
        if (reply.type == RESP_PUSH)
            continue;
        pipe->done =
            pipe->input_ended && reply.type == RESP_BULK && slice_equal(reply.text, slice_from_string(pipe->mark));
        if (pipe->done)
            break;
        pipe->replies++;
        if (!resp_type_is_error(reply.type))
            continue;
        pipe->errors++;
        session_complain("", reply.text);
    }
    if (!pipe->done && (!more || there))
        fail(pipe, pipe->link->problem);
}

/* How long the next reply is waited for; -1: without end. */
static int patience_ms(const struct pipe *pipe) {
    int64_t timeout_s = pipe->session->options->pipe_timeout_s;
    if (!pipe->input_ended || !timeout_s)
        return -1;
    uint64_t waited_ms = clock_steady_ms() - pipe->last_ms, left_ms = (uint64_t)timeout_s * 1000;
    left_ms = waited_ms < left_ms ? left_ms - waited_ms : 0;
    return left_ms < INT32_MAX ? (int)left_ms : INT32_MAX;
}

static void turn(struct pipe *pipe) {
    bool has_bytes = pipe->link->out.size > 0, has_more = server_wire_has_more(&pipe->link->wire);
    struct pollfd wanted[2] = {
        {.fd = pipe->link->wire.fd, .events = server_link_events(pipe->link, has_bytes)},
        {.fd = pipe->input_ended || pipe->link->out.size >= PIECE ? -1 : STDIN_FILENO, .events = POLLIN}};
    if (poll(wanted, 2, has_more ? 0 : patience_ms(pipe)) < 0)
        return;
    if (wanted[1].revents)
        read_input(pipe);
    if (pipe->link->out.size && !pipe->failed)
        send(pipe);
    if ((wanted[0].revents || has_more) && !pipe->failed)
        receive(pipe);
    if (!pipe->done && !pipe->failed && patience_ms(pipe) == 0)
        fail(pipe, "no reply came for too long");
}

int modes_pipe(struct session *session) {
    if (!session_connect(session))
        return SHELL_FAILED;
    struct pipe pipe = {.session = session, .link = &session->link};
    draw_mark(pipe.mark);
    while (!pipe.done && !pipe.failed)
        turn(&pipe);
    if (pipe.done)
        puts("Last reply received from server.");
    printf("errors: %llu, replies: %llu\n", (unsigned long long)pipe.errors, (unsigned long long)pipe.replies);
    return pipe.failed || pipe.errors ? SHELL_FAILED : SHELL_GOOD;
}
