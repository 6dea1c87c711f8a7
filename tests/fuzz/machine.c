/*
 * Any bytes as a machine's description.
 */
#include <string.h>
#include <uni/bundle/machine.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	UNI_AUTO(uni_machine_found) struct uni_machine_found *found = NULL;
	UNI_AUTO_FREE char *text = uni_alloc(size + 1);
	struct uni_err err = UNI_ERR_INIT;
	int rc;

	memcpy(text, data, size);
	rc = uni_machine_read(&found, "input", text, size, &err);
	if ((rc == 0) != (found != NULL) || rc != err.code)
		abort();
	uni_err_clear(&err);
	return 0;
}
