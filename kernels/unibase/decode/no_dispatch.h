/*
 * Before each file of libdeflate: it would choose vector code by the processor's flags while it
 * runs, and the kernel may not touch those registers.
 */
#include <common_defs.h>

#undef COMPILER_SUPPORTS_TARGET_FUNCTION_ATTRIBUTE
#define COMPILER_SUPPORTS_TARGET_FUNCTION_ATTRIBUTE 0
