/*
 * A status beyond what the debug-exit port can say arrives whole by the exit record.
 */
#include "t.h"

int main(void)
{
	exit(251 + 256);
}
