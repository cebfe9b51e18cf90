/* app/shell/session.h: a connection as `strata cli` holds it: commands go out, replies are printed, and what they change of the connection is known.
 *
 * A command that is followed by an endless row of replies (SUBSCRIBE, MONITOR) is printed until the connection ends or, at a prompt, Ctrl-C comes. A
 * connection that Ctrl-C left in the middle of a reply is closed; the next command makes a new one.
 * A command whose connection broke is not sent again: nobody knows whether it ran.
 *
 * Threads: one.
 * Errors:  told on standard error.
 */
#ifndef STRATA_APP_SHELL_SESSION_H
#define STRATA_APP_SHELL_SESSION_H

#include <signal.h>

#include "app/link/server_link.h"
#include "app/shell/shell.h"

struct session {
    const struct shell_options *options;
    struct server_place place; /* where a new connection goes, with the database and protocol of now */
    struct server_link link;
    bool is_open, at_prompt, is_subscribed;
    bool in_transaction;
    int db_queued; /* by SELECT in a transaction; -1: none */
    struct buf out;
};

enum session_result {
    SESSION_DONE,
    SESSION_ERROR_REPLY, /* printed as well */
    SESSION_BROKEN,      /* told */
    SESSION_INTERRUPTED
};

/* Set by SIGINT while a session is at a prompt. */
extern volatile sig_atomic_t session_interrupt;

void session_init(struct session *session, const struct shell_options *options);
void session_fini(struct session *session);

/* Makes sure that there is a connection. */
MUST_CHECK bool session_connect(struct session *session);
void session_disconnect(struct session *session);

/* At least one word. */
enum session_result session_run(struct session *session, const struct slice *words, size_t count);

/* Prints what has come without a request. False: the connection is gone. */
MUST_CHECK bool session_print_pushes(struct session *session);

/* Prints an error, or what else was not expected, as a line on standard error. */
void session_complain(const char *before, struct slice text);

/* One request of words and its reply, which lives until the next; pushes are left out. NULL: told why. */
const struct resp_value *session_ask(struct session *session, const struct slice *words, size_t count);
const struct resp_value *session_read(struct session *session);

#endif
