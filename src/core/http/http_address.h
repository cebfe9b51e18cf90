/* core/http/http_address.h: whom a request is addressed to.
 *
 * A page of a browser can be made to ask a server on this machine by a name that its owner lets point here (DNS rebinding). The name is then the page's, so a server
 * that answers to its own names and to addresses only is safe from that.
 *
 * Threads: no state.
 */
#ifndef STRATA_CORE_HTTP_HTTP_ADDRESS_H
#define STRATA_CORE_HTTP_HTTP_ADDRESS_H

#include "base/slice.h"

/* "name", "name:port", "1.2.3.4:port", "[::1]:port". False: neither. `ret_host` without port, with the brackets. */
bool http_authority_split(struct slice authority, struct slice *ret_host, struct slice *ret_port);
/* An address of IPv4, or of IPv6 in brackets. */
bool http_host_is_address(struct slice host);
/* One of these patterns (base/glob) in any case; a point at the end of the host's name is none of it. */
bool http_host_matches(struct slice host, const struct slice *patterns, size_t count);

#endif
