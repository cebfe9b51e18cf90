/* core/proto/resp_request.h: from received bytes to requests.
 *
 * Reads RESP arrays of bulk strings and inline commands. The input is a slice that belongs to the caller and
 * holds everything received and not yet consumed, so the caller may keep it in any buffer. The parser remembers what it has
 * seen of an unfinished request and never reads the same argument twice; it notes offsets, not pointers, so the bytes may move
 * between calls as long as the front stays the front.
 *
 *     input   *3\r\n $3\r\n SET \r\n $1\r\n k \r\n $5\r\n hel
 *                                                 ^ `position`; two of three arguments known
 *
 * Memory grows with what has been received, never with what has been announced: the table of arguments doubles as they arrive.
 *
 * Threads: one owner at a time.
 * Memory:  the argument table comes from `memory`; argument slices point into the input of that call.
 */
#ifndef STRATA_CORE_PROTO_RESP_REQUEST_H
#define STRATA_CORE_PROTO_RESP_REQUEST_H

#include "base/memory.h"
#include "base/slice.h"
#include "base/status.h"

struct resp_limits {
    uint32_t arguments_max;   /* 1,048,576 as in Redis; less before authentication */
    uint64_t bulk_size_max;   /* 512 MiB; less before authentication */
    uint32_t inline_size_max; /* 64 KiB */
    uint64_t large_size_min;  /* bulks of at least this size may be reported as RESP_LARGE; 0: never */
};

enum resp_result {
    RESP_REQUEST, /* ret_request is filled; consumed bytes are in request.size */
    RESP_MORE,    /* not complete */
    RESP_LARGE,   /* a large bulk string begins: see resp_request_large_* */
    RESP_ERROR,   /* out of step; parser->error says why ("ERR Protocol error: ..."); close after sending it */
};

struct resp_request {
    const struct slice *arguments; /* count >= 1; arguments[0] is the command's name. Valid until the next call */
    uint32_t count;
    size_t size;         /* bytes of the input this request took */
    int32_t large_index; /* the argument that the caller received elsewhere (its slice has no data), or -1 */
};

struct resp_parser {
    const struct memory *memory;
    struct slice *arguments; /* data is an offset into the input while unfinished */
    uint32_t count, capacity;
    uint32_t announced; /* arguments of the array; 0: none begun */
    uint64_t bulk_size; /* of the argument being read; UINT64_MAX: its head is not read yet */
    size_t position;    /* input bytes understood so far */
    size_t searched;    /* input bytes known to hold no line end behind `position` */
    int32_t large_index;
    const char *error; /* a static text */
};

void resp_parser_init(struct resp_parser *parser, const struct memory *memory);
void resp_parser_fini(struct resp_parser *parser);

/* Reads at most one request. Empty requests ("*0", empty lines) are skipped; `ret_request->size` includes them. On RESP_MORE with
 * nothing begun, `parser->position` bytes may be dropped from the input (resp_parser_drop). */
enum resp_result resp_parse(struct resp_parser *parser, struct slice input, const struct resp_limits *limits,
                            struct resp_request *ret_request);

/* The caller has taken `size` bytes off the front of the input. */
void resp_parser_drop(struct resp_parser *parser, size_t size);

/* After RESP_LARGE: the arguments so far, the announced size, and where in the input its bytes begin. */
struct resp_large {
    const struct slice *arguments;
    uint32_t count;     /* arguments complete so far */
    uint32_t announced; /* arguments in all */
    uint64_t size;
    size_t begins_at; /* offset in the input; what is received of it stands from there to the end of the input */
};
struct resp_large resp_parser_large(const struct resp_parser *parser, struct slice input);
/* The caller receives the bulk's bytes elsewhere. The input then goes on as if they (not their CR LF) were cut out of it. */
void resp_parser_large_taken(struct resp_parser *parser);
/* The caller does not want it: it arrives in the input like any other. */
void resp_parser_large_refused(struct resp_parser *parser);

#endif
