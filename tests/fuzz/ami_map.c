/*
 * Block maps. The checksum over all blocks is rarely right, but all in front of it is looked at; a
 * map that is accepted says the same when it is written again.
 */
#include <stdlib.h>
#include <string.h>
#include <uni/bundle/ami.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	UNI_AUTO(uni_ami_map) struct uni_ami_map *map = NULL;
	UNI_AUTO_FREE char *text = uni_strndup((const char *)data, size);
	UNI_AUTO_BUF struct uni_buf json = UNI_BUF_INIT;
	struct uni_err err = UNI_ERR_INIT;

	if (uni_ami_map_parse(&map, "fuzz", text, strlen(text), &err) != 0)
		return 0;
	uni_ami_map_json(map, &json);
	uni_ami_map_free(map);
	map = NULL;
	if (uni_ami_map_parse(&map, "again", json.data, json.size, &err) != 0)
		abort();
	return 0;
}
