/* core/proto/resp_request.h: from received bytes to requests.
 *
 * Reads RESP arrays of bulk strings and inline commands. The input is a slice that belongs to the caller and
 * holds everything received and not yet dropped, so the caller may keep it in any buffer. The parser remembers what it has
 * seen of an unfinished request and never reads a value twice; the input may stand elsewhere at each call (whoever
 * moves the bytes of a request makes the parser move its table, which costs no more) as long as the front stays the front.
 *
 *     input   *3\r\n $3\r\n SET \r\n $1\r\n k \r\n $5\r\n hel
 *                                                 ^ `position`; two of three arguments known
 *
 * Memory grows with what has been received, never with what has been announced: the table of arguments doubles as they arrive.
 *
 * Programs send the same few commands again and again. Whoever reads many requests keeps a table of the *heads* seen lately (how
 * many arguments, and the command's name, byte for byte): resp_parse_short knows a head from three word compares, and its reader
 * notes there what it made of the name, so that no name is looked up twice in a row.
 *
 * Threads: one owner at a time.
 * Memory:  the argument table comes from `memory`; argument slices point into the input of that call, those of inline
 *          commands with quotes into the parser.
 * Errors:  after RESP_ERROR every further call answers RESP_ERROR.
 */
#ifndef STRATA_CORE_PROTO_RESP_REQUEST_H
#define STRATA_CORE_PROTO_RESP_REQUEST_H

#include "base/memory.h"
#include "base/slice.h"
#include "base/status.h"

enum {
    RESP_ARGUMENTS_MAX = 1 << 20,             /* Redis 7 goes to 2^31 - 1 */
    RESP_ARGUMENTS_UNAUTHENTICATED_MAX = 10,  /* as in Redis */
    RESP_BULK_UNAUTHENTICATED_MAX = 16 << 10, /* as in Redis */
    RESP_BULK_MAX = 512 << 20,                /* as in Redis, where it can be configured */
    RESP_INLINE_MAX = 64 << 10,               /* as in Redis */
};

struct resp_limits {
    uint32_t arguments_max;   /* of an array: RESP_ARGUMENTS_MAX; less before authentication */
    uint64_t bulk_size_max;   /* RESP_BULK_MAX; less before authentication; at most 2^62 */
    uint32_t inline_size_max; /* RESP_INLINE_MAX; bytes before the line end, also of the lines before bulk strings */
    uint64_t large_size_min;  /* bulks of at least this size may be reported as RESP_LARGE; 0: never */
    bool unauthenticated;     /* only the text of errors depends on it */
};

enum resp_result {
    RESP_REQUEST, /* ret_request is filled; consumed bytes are in request.size */
    RESP_MORE,    /* not complete */
    RESP_LARGE,   /* a large bulk string begins: see resp_parser_large */
    RESP_ERROR,   /* out of step; parser->error says why ("ERR Protocol error: ..."); close after sending it */
};

enum {
    RESP_SHORT_ARGUMENTS_MAX = 9, /* of a request whose head is kept: one digit */
    RESP_SHORT_NAME_MAX = 9,      /* bytes, as well */
    RESP_HEADS = 32,              /* a power of two; the commands of one program are fewer */
};

/* The first bytes of a request: "*2\r\n$3\r\nGET\r\n". */
struct resp_head {
    uint64_t front, middle, back; /* its first 8 bytes, 8 from `middle_at` on, its last 8 from `back_at` on */
    uint8_t size, middle_at, back_at;
    uint8_t count;       /* arguments, the name included */
    const void *meaning; /* what the reader noted; NULL in a new head */
};

/* A head that comes later takes the place of another with the same hash. */
struct resp_heads {
    struct resp_head slots[RESP_HEADS];
};
void resp_heads_init(struct resp_heads *heads);

struct resp_request {
    const struct slice *arguments; /* count >= 1; arguments[0] is the command's name. Valid until the next call */
    uint32_t count;
    size_t begins_at;       /* offset in the input: the end of the request before it */
    size_t size;            /* bytes of the input this request took, from there */
    int32_t large_index;    /* the argument that the caller received elsewhere (its slice has no data), or -1 */
    struct resp_head *head; /* of a request from resp_parse_short, else NULL */
};

struct resp_parser { /* visible because a connection embeds one; only the calls below touch it */
    const struct memory *memory;
    struct slice *arguments; /* data points into the input as it stood at `base` */
    uint32_t count, capacity;
    uint32_t announced;  /* arguments of the array; 0: none begun */
    int32_t large_index; /* == count: its CR LF is awaited */
    uint64_t bulk_size;  /* of the argument being read; UINT64_MAX: its head is not read yet */
    size_t start;        /* where this request begins */
    size_t position;     /* input bytes understood so far */
    size_t searched;     /* input bytes known to hold no line end behind `position` */
    uintptr_t base;      /* address of the input's front */
    uint8_t *text;       /* unquoted arguments of an inline command; NULL: none */
    size_t text_size;
    bool large_refused; /* the argument being read is not reported again */
    bool busy;          /* the general way is needed: a request is begun, an error, or a surplus */
    bool surplus;       /* `text` or a table over what is kept waits to be given back */
    const char *error;  /* "ERR ...": a static text or `error_text` */
    char error_text[48];
};

void resp_parser_init(struct resp_parser *parser, const struct memory *memory);
void resp_parser_fini(struct resp_parser *parser);

/* Reads at most one request. The next call goes on behind it, whether or not its bytes were dropped in between, so one
 * resp_parser_drop may follow a whole batch. Empty requests ("*0", "*-1", empty lines) are skipped; `ret_request->size`
 * includes them. On RESP_MORE, resp_parser_droppable bytes may be dropped. */
enum resp_result resp_parse(struct resp_parser *parser, struct slice input, const struct resp_limits *limits,
                            struct resp_request *ret_request);

/* The quick way for a request that is wholly received and has few arguments and a short name: reads it into `arguments`, which has
 * room for RESP_SHORT_ARGUMENTS_MAX and belongs to the caller. False: nothing has happened, and resp_parse knows what to do. The two
 * may be called in any order. The limits allow RESP_SHORT_ARGUMENTS_MAX and RESP_SHORT_NAME_MAX, as those of every client do that
 * is authenticated. */
bool resp_parse_short(struct resp_parser *parser, struct slice input, const struct resp_limits *limits,
                      struct resp_heads *heads, struct slice *arguments, struct resp_request *ret_request);

/* Bytes at the front of the input that the parser no longer needs: finished and empty requests. */
static inline size_t resp_parser_droppable(const struct resp_parser *parser) {
    return parser->announced ? parser->start : parser->position;
}

/* The caller has taken `size` bytes off the front of the input, at most the droppable ones. The parser must be told: it counts
 * from the front. */
void resp_parser_drop(struct resp_parser *parser, size_t size);

/* After RESP_LARGE, which never is about the command's name, comes no more than once a taken bulk in a request, and comes again
 * until it is taken or refused: the arguments so far, the announced size, and where in the input its bytes begin. Of one that was taken it may be asked
 * again until resp_parse goes on. */
struct resp_large {
    const struct slice *arguments;
    uint32_t count;     /* arguments complete so far */
    uint32_t announced; /* arguments in all */
    uint64_t size;
    size_t begins_at; /* offset in the input; what is received of it stands from there to the end of the input */
};
struct resp_large resp_parser_large(struct resp_parser *parser, struct slice input);
/* The caller receives the bulk's bytes elsewhere. The input then goes on as if they (not their CR LF) were cut out of it. */
void resp_parser_large_taken(struct resp_parser *parser);
/* The caller does not want it: it arrives in the input like any other. */
void resp_parser_large_refused(struct resp_parser *parser);

#endif
