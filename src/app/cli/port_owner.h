/* app/cli/port_owner.h: which process listens on a TCP port of this machine.
 *
 * Threads: any.
 * Errors:  what the system does not show (another user's process) is left empty.
 */
#ifndef STRATA_APP_CLI_PORT_OWNER_H
#define STRATA_APP_CLI_PORT_OWNER_H

#include <stdbool.h>
#include <stdint.h>

struct port_owner {
    int process_id; /* 0: not known */
    char name[64];
};

/* False if nobody is seen to listen there. */
bool port_owner_find(uint16_t port, struct port_owner *ret_owner);

/* Reads one line of /proc/net/tcp or tcp6. True for a socket that listens on `port`; its inode goes to ret_inode. */
bool port_owner_parse_line(const char *line, uint16_t port, uint64_t *ret_inode);

#endif
