/* lwIP includes <string.h>; the kernel's functions are declared in uk/types.h. */
#include <uk/types.h>
