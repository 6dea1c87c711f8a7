/*
 * The user's AWS files, ~/.aws/config and ~/.aws/credentials: sections of "key = value" lines
 * (AWS SDKs and Tools Reference Guide, "Shared config and credentials files"). A profile is the
 * union of both files' sections for it; the credentials file counts first.
 */
#ifndef AWS_PROFILE_H
#define AWS_PROFILE_H

#include <stdbool.h>
#include <uni/base/mem.h>

struct aws_profiles;

enum aws_file { AWS_FILE_CONFIG = 1, AWS_FILE_CREDENTIALS = 2 };

/* Files that do not exist are empty. A line that is neither is UNI_E_PARSE with its number. */
int aws_profiles_read(struct aws_profiles **profiles, const char *config, const char *credentials,
		      struct uni_err *err);
void aws_profiles_free(struct aws_profiles *profiles);
UNI_AUTO_DEFINE(aws_profiles)

/* Whether either file has the profile. */
bool aws_profiles_has(const struct aws_profiles *profiles, const char *profile);
/* NULL when it is not said. */
const char *aws_profiles_get(const struct aws_profiles *profiles, const char *profile,
			     const char *key);
/* What one of the files says. */
const char *aws_profiles_get_in(const struct aws_profiles *profiles, enum aws_file file,
				const char *profile, const char *key);
/* The same of "[services NAME]": "ec2.endpoint_url", which is a line inside of "ec2 =". */
const char *aws_profiles_services(const struct aws_profiles *profiles, const char *services,
				  const char *key);
/* The same of "[sso-session NAME]". */
const char *aws_profiles_session(const struct aws_profiles *profiles, const char *session,
				 const char *key);

#endif
