/*
 * ISO 9660 (ECMA-119, fourth edition) and El Torito 1.0, as far as the writer and the reader agree:
 * where things lie. All of it fits between the tables of a GPT and 64 KiB.
 */
#ifndef UNI_DISK_ISO_INTERNAL_H
#define UNI_DISK_ISO_INTERNAL_H

#include "internal.h"

enum {
	ISO_SECTOR = 2048,
	ISO_PRIMARY = 16, /* sectors */
	ISO_BOOT = 17,	  /* El Torito: always there */
	ISO_END = 18,
	ISO_CATALOG = 19,
	ISO_PATHS_LE = 20,
	ISO_PATHS_BE = 21,
	ISO_ROOT = 22,
	ISO_START = ISO_PRIMARY * ISO_SECTOR, /* bytes */
	ISO_ROOM = 64 << 10,		      /* bytes; where a disk starts that leaves none */
};

#define ISO_MAGIC "CD001"
#define ISO_EL_TORITO "EL TORITO SPECIFICATION"
/* Of the volume descriptor; says that the disk lies behind the file system and is whole. */
#define ISO_PREPARER "UNI DISK"

#endif
