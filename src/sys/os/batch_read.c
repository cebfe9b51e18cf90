#include "sys/os/batch_read.h"

#include <errno.h>
#include <linux/aio_abi.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"

enum status batch_reader_open(struct batch_reader *ret_reader) {
    aio_context_t context = 0;
    *ret_reader = (struct batch_reader){0};
    if (syscall(SYS_io_setup, BATCH_READS_MAX, &context) != 0)
        return STATUS_IO;
    ret_reader->context = context;
    return STATUS_OK;
}

void batch_reader_close(struct batch_reader *reader) {
    if (reader->context)
        (void)syscall(SYS_io_destroy, (aio_context_t)reader->context);
    reader->context = 0;
}

static void take_ended(struct batch_read *reads, const struct io_event *events, long count) {
    for (long i = 0; i < count; i++) {
        struct batch_read *read = &reads[events[i].data];
        if (events[i].res < 0)
            read->error = (int)-events[i].res;
        else
            read->got = (uint32_t)events[i].res;
    }
}

/* All that are under way: their bytes are the caller's again only then. */
static void wait_for(const struct batch_reader *reader, struct batch_read *reads, long running) {
    struct io_event events[BATCH_READS_MAX];
    while (running) {
        long ended = syscall(SYS_io_getevents, (aio_context_t)reader->context, running, running, events, NULL);
        ASSERT(ended >= 0 || errno == EINTR);
        if (ended > 0) {
            take_ended(reads, events, ended);
            running -= ended;
        }
    }
}

/* Begins what it can from `first` on; the first that cannot be begun, while nothing else runs, has failed. Answers how many it has dealt with. */
static uint32_t go_on(const struct batch_reader *reader, struct iocb **blocks, struct batch_read *reads, uint32_t first,
                      uint32_t count) {
    long begun = syscall(SYS_io_submit, (aio_context_t)reader->context, (long)(count - first), blocks + first);
    if (begun > 0) {
        wait_for(reader, reads, begun);
        return (uint32_t)begun;
    }
    if (begun < 0 && errno == EINTR)
        return 0;
    reads[first].error = begun < 0 ? errno : EIO;
    return 1;
}

void batch_read(struct batch_reader *reader, int file, struct batch_read *reads, uint32_t count) {
    struct iocb blocks[BATCH_READS_MAX], *pointers[BATCH_READS_MAX];
    ASSERT(count <= BATCH_READS_MAX && reader->context);
    memset(blocks, 0, count * sizeof *blocks);
    for (uint32_t i = 0; i < count; i++) {
        reads[i].got = 0;
        reads[i].error = 0;
        blocks[i].aio_data = i;
        blocks[i].aio_lio_opcode = IOCB_CMD_PREAD;
        blocks[i].aio_fildes = (uint32_t)file;
        blocks[i].aio_buf = (uintptr_t)reads[i].bytes;
        blocks[i].aio_nbytes = reads[i].size;
        blocks[i].aio_offset = (int64_t)reads[i].offset;
        pointers[i] = &blocks[i];
    }
    for (uint32_t done = 0; done < count;)
        done += go_on(reader, pointers, reads, done, count);
}
