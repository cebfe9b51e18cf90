/* app/link/place_flags.h: the flags that say where a server is and as whom to talk to it, alike for every command of the program that talks to one.
 *
 * A command reads its own flags and hands in those that it does not know:
 *
 *     init ── read ── read ── ... ── check ── ask
 *
 * Threads: one, at start.
 * Memory:  the place points into this struct and the words of the command line: it stays where it is while the place is used. It holds the password.
 * Errors:  in `ret_problem`, a sentence that names the flag.
 */
#ifndef STRATA_APP_LINK_PLACE_FLAGS_H
#define STRATA_APP_LINK_PLACE_FLAGS_H

#include "app/link/place.h"
#include "base/status.h"

enum { PLACE_FLAGS_PROBLEM_SIZE = 256 };

struct place_flags {
    struct server_place place;
    const char *taken; /* letters of short flags that the command has for something else; NULL: none */
    bool without_db;   /* the command has another meaning for databases */
    bool asks_password, password_shown, no_warning;
    /* What -a and -u say, taken off the command line, which other users of the machine see. */
    char uri[1024], password[512];
};

enum place_flags_result { PLACE_FLAGS_OTHER, PLACE_FLAGS_TAKEN, PLACE_FLAGS_WRONG };

/* With the password that is in the environment: STRATACLI_AUTH, else REDISCLI_AUTH. */
void place_flags_init(struct place_flags *flags);

/* The flag at `*at`, as --name=value or with its value in the next word, where `*at` then stands. OTHER: it is none of these. */
enum place_flags_result place_flags_read(struct place_flags *flags, int argc, char **argv, int *at,
                                         char ret_problem[PLACE_FLAGS_PROBLEM_SIZE]);

/* Whether what was said goes together. */
MUST_CHECK bool place_flags_check(const struct place_flags *flags, char ret_problem[PLACE_FLAGS_PROBLEM_SIZE]);

/* Warns of a password that others may have seen, and asks for one where that is wanted, on the terminal even if standard input is none. False: none came. */
MUST_CHECK bool place_flags_ask(struct place_flags *flags);

/* The lines of a command's --help; what a flag does begins in this column. */
void place_flags_print(const struct place_flags *flags, int column);

/* The long name of each flag, for suggestions; NULL behind the last. */
const char *place_flags_name(size_t index);

#endif
