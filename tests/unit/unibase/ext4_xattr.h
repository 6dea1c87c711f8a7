/* Tests that ext4.c runs among its own. */
#ifndef TESTS_UNIBASE_EXT4_XATTR_H
#define TESTS_UNIBASE_EXT4_XATTR_H

void test_xattr(void **unused);
void test_xattr_shared(void **unused);

#endif
