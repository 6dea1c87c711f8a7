/*
 * Lock files from anything: what is taken must be written in one spelling that is taken again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uni/recipes/lock.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uni_diags diags UNI_AUTO_DIAGS = UNI_DIAGS_INIT;
	struct uni_lock *lock UNI_AUTO(uni_lock) = NULL, *again UNI_AUTO(uni_lock) = NULL;
	struct uni_buf first UNI_AUTO_BUF = UNI_BUF_INIT, second UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;

	if (uni_lock_parse(&lock, "uni.lock", (const char *)data, size, &diags, &err) != 0)
		return 0;
	uni_lock_text(lock, &first);
	if (uni_lock_parse(&again, "uni.lock", first.data, first.size, &diags, &err) != 0)
		abort();
	uni_lock_text(again, &second);
	if (strcmp(first.data, second.data) != 0)
		abort();
	return 0;
}
