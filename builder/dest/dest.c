/*
 * The list of destinations.
 */
#include "internal.h"
#include <string.h>

static const struct uni_dest *const all[] = { &dest_ec2, &dest_oci };

const struct uni_dest *uni_dest_find(const char *address, struct uni_err *err)
{
	size_t size = strcspn(address, ":");

	for (size_t i = 0; i < UNI_COUNT(all); i++)
		if (strlen(all[i]->scheme) == size && strncmp(all[i]->scheme, address, size) == 0 &&
		    uni_str_starts(address + size, "://"))
			return all[i];
	uni_err_set(err, UNI_E_UNSUPPORTED, "\"%s\" is no address that images go to", address);
	uni_err_hint(err, "known: ec2://REGION[,REGION...]/NAME, oci://HOST/NAME[:TAG]");
	return NULL;
}
