/* app/cmd/string.h: the commands of strings, bits and bit fields.
 *
 * The command table refers to them by name; nobody else calls them.
 *
 * Threads: those of the call.
 */
#ifndef STRATA_APP_CMD_STRING_H
#define STRATA_APP_CMD_STRING_H

struct cmd_call;

/* string_get.c */
void cmd_get(struct cmd_call *call);
void cmd_getdel(struct cmd_call *call);
void cmd_getex(struct cmd_call *call);
void cmd_mget(struct cmd_call *call);
void cmd_strlen(struct cmd_call *call);

/* string_set.c */
void cmd_set(struct cmd_call *call);
void cmd_setnx(struct cmd_call *call);
void cmd_setex(struct cmd_call *call);
void cmd_psetex(struct cmd_call *call);
void cmd_getset(struct cmd_call *call);
void cmd_delifeq(struct cmd_call *call);

/* string_mset.c */
void cmd_mset(struct cmd_call *call);
void cmd_msetnx(struct cmd_call *call);
void cmd_msetex(struct cmd_call *call);

/* string_range.c */
void cmd_getrange(struct cmd_call *call);
void cmd_substr(struct cmd_call *call);
void cmd_setrange(struct cmd_call *call);
void cmd_append(struct cmd_call *call);

/* string_number.c */
void cmd_incr(struct cmd_call *call);
void cmd_decr(struct cmd_call *call);
void cmd_incrby(struct cmd_call *call);
void cmd_decrby(struct cmd_call *call);
void cmd_incrbyfloat(struct cmd_call *call);

/* string_lcs.c */
void cmd_lcs(struct cmd_call *call);

/* bit.c, bit_op.c */
void cmd_setbit(struct cmd_call *call);
void cmd_getbit(struct cmd_call *call);
void cmd_bitcount(struct cmd_call *call);
void cmd_bitpos(struct cmd_call *call);
void cmd_bitop(struct cmd_call *call);

/* bitfield.c */
void cmd_bitfield(struct cmd_call *call);
void cmd_bitfield_ro(struct cmd_call *call);

#endif
