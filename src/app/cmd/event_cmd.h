/* app/cmd/event_cmd.h: what is noted of events that clients emit. */
#ifndef STRATA_APP_CMD_EVENT_CMD_H
#define STRATA_APP_CMD_EVENT_CMD_H

#include "app/cmd/cmd.h"

/* An event was emitted. One that no rule names is counted, and told of in the log as far as there is room to remember which were. */
void event_note(struct cmd_call *call, struct slice name);

#endif
