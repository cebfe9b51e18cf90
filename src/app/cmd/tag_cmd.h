/* app/cmd/tag_cmd.h: what other commands say of tags. */
#ifndef STRATA_APP_CMD_TAG_CMD_H
#define STRATA_APP_CMD_TAG_CMD_H

#include "app/cmd/cmd.h"

/* A set of the tags that clients have put on what is found; empty if nothing is. */
void tag_cmd_reply(struct cmd_call *call, const struct cache_edit *edit);

#endif
