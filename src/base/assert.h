/* base/assert.h: assertions that stay on in release builds.
 *
 * ASSERT guards the program against itself: what came in, what goes out, what must hold.
 * Bytes from disk, network or a user are never asserted; they are checked and answered.
 * Tests use EXPECT-style checks of the test framework instead.
 */
#ifndef STRATA_BASE_ASSERT_H
#define STRATA_BASE_ASSERT_H

/* Prints the place and the expression to standard error and aborts. */
_Noreturn void assert_failed(const char *file, int line, const char *expression);

#define ASSERT(condition) (__builtin_expect(!!(condition), 1) ? (void)0 : assert_failed(__FILE__, __LINE__, #condition))

/* Says to the reader that both cases are normal. */
#define MAYBE(condition) ((void)(condition))

#endif
