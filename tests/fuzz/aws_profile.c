/*
 * The user's AWS files: what is accepted can be asked for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct aws_profiles *profiles UNI_AUTO(aws_profiles) = NULL;
	struct uni_err err = UNI_ERR_INIT;
	char path[64];
	int fd = fuzz_file(data, size);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (aws_profiles_read(&profiles, path, path, &err) == 0) {
		const char *key =
			aws_profiles_get_in(profiles, AWS_FILE_CONFIG, "default", "region");

		if (key != NULL && !aws_profiles_has(profiles, "default"))
			abort();
		(void)aws_profiles_get(profiles, "a", "role_arn");
		(void)aws_profiles_services(profiles, "here", "ec2.endpoint_url");
		(void)aws_profiles_session(profiles, "corp", "sso_region");
	} else if (err.text[0] == '\0') {
		abort();
	}
	return 0;
}
