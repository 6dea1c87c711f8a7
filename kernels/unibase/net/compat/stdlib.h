/* lwIP includes <stdlib.h> for atoi in one place. */
#ifndef UK_COMPAT_STDLIB_H
#define UK_COMPAT_STDLIB_H
int atoi(const char *text);
#endif
