/*
 * A kernel without disks: nobody can ring for it, and nothing is plugged in.
 */
#include "../fs/fs.h"

void fs_orders_start(void)
{
}
