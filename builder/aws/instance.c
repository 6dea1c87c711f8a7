/*
 * Machines in EC2.
 */
#include "ec2.h"
#include <string.h>
#include <uni/aws/instance.h>

#define PAGES_MAX 1000u

void uni_ec2_instances_free(struct uni_ec2_instances *instances)
{
	for (size_t i = 0; i < instances->count; i++) {
		struct uni_ec2_instance *x = &instances->items[i];
		char *const all[] = { x->id,   x->image,   x->name,    x->state,
				      x->type, x->started, x->address, x->private_address };

		for (size_t j = 0; j < UNI_COUNT(all); j++)
			free(all[j]);
	}
	free(instances->items);
	*instances = (struct uni_ec2_instances){ 0 };
}

int uni_ec2_run(struct uni_aws *aws, const char *region, const struct uni_ec2_start *start,
		char id[UNI_EC2_ID], struct uni_err *err)
{
	struct uni_ec2_form form UNI_AUTO_EC2_FORM = { .text = UNI_BUF_INIT };
	struct uni_strv tags UNI_AUTO_STRV = { 0 };
	struct uni_xml *root UNI_AUTO(uni_xml) = NULL;
	int rc;

	uni_strv_addf(&tags, "Name=%s", start->name);
	uni_strv_addf(&tags, UNI_EC2_TAG_MACHINE "=%s", start->name);
	uni_ec2_add(&form, "ImageId", start->image);
	uni_ec2_add(&form, "InstanceType", start->type);
	uni_ec2_add(&form, "MinCount", "1");
	uni_ec2_add(&form, "MaxCount", "1");
	uni_ec2_add(&form, "MetadataOptions.HttpTokens", "required");
	uni_ec2_add(&form, "ClientToken", start->token);
	if (start->subnet != NULL)
		uni_ec2_add(&form, "SubnetId", start->subnet);
	for (size_t i = 0; start->groups != NULL && i < start->groups->count; i++)
		uni_ec2_addf(&form, start->groups->items[i], "SecurityGroupId.%zu", i + 1);
	uni_ec2_add_tags(&form, 1, "instance", &tags);
	rc = ec2_ask(aws, region, "RunInstances", &form, true, &root, err);
	return rc == 0 ? ec2_take_id(uni_xml_text(root, "instancesSet/item/instanceId"),
				     "RunInstances", "i-", id, err)
		       : rc;
}

static char *name_of(const struct uni_xml *item)
{
	for (const struct uni_xml *x = uni_xml_get(item, "tagSet/item"); x != NULL;
	     x = uni_xml_next(x))
		if (uni_str_eq(uni_xml_text(x, "key"), UNI_EC2_TAG_MACHINE))
			return ec2_copy_text(x, "value");
	return uni_strdup("");
}

static void add_instance(struct uni_ec2_instances *instances, const struct uni_xml *item)
{
	UNI_PUSH_ROOM(instances->items, instances->count, instances->room);
	instances->items[instances->count++] = (struct uni_ec2_instance){
		.id = ec2_copy_text(item, "instanceId"),
		.image = ec2_copy_text(item, "imageId"),
		.name = name_of(item),
		.state = ec2_copy_text(item, "instanceState/name"),
		.type = ec2_copy_text(item, "instanceType"),
		.started = ec2_copy_text(item, "launchTime"),
		.address = ec2_copy_text(item, "ipAddress"),
		.private_address = ec2_copy_text(item, "privateIpAddress"),
	};
}

static void add_page(struct uni_ec2_instances *instances, const struct uni_xml *root)
{
	for (const struct uni_xml *r = uni_xml_get(root, "reservationSet/item"); r != NULL;
	     r = uni_xml_next(r))
		for (const struct uni_xml *x = uni_xml_get(r, "instancesSet/item"); x != NULL;
		     x = uni_xml_next(x))
			add_instance(instances, x);
}

int uni_ec2_list(struct uni_aws *aws, const char *region, const char *id,
		 struct uni_ec2_instances *instances, struct uni_err *err)
{
	char *next UNI_AUTO_FREE = NULL;

	for (unsigned page = 0; page < PAGES_MAX; page++) {
		struct uni_ec2_form form UNI_AUTO_EC2_FORM = { .text = UNI_BUF_INIT };
		struct uni_xml *root UNI_AUTO(uni_xml) = NULL;
		int rc;

		if (id != NULL)
			uni_ec2_add(&form, "InstanceId.1", id);
		uni_ec2_add(&form, "Filter.1.Name", "tag-key");
		uni_ec2_add(&form, "Filter.1.Value.1", UNI_EC2_TAG_MACHINE);
		if (next != NULL)
			uni_ec2_add(&form, "NextToken", next);
		rc = ec2_ask(aws, region, "DescribeInstances", &form, true, &root, err);
		if (rc != 0)
			return rc;
		add_page(instances, root);
		free(next);
		next = ec2_copy_text(root, "nextToken");
		if (*next == '\0')
			return 0;
	}
	return uni_err_set(err, UNI_E_LIMIT, "DescribeInstances: more than %u pages", PAGES_MAX);
}

int uni_ec2_console(struct uni_aws *aws, const char *region, const char *id, struct uni_buf *text,
		    struct uni_err *err)
{
	struct uni_ec2_form form UNI_AUTO_EC2_FORM = { .text = UNI_BUF_INIT };
	struct uni_xml *root UNI_AUTO(uni_xml) = NULL;
	struct uni_buf packed UNI_AUTO_BUF = UNI_BUF_INIT;
	char *plain UNI_AUTO_FREE = NULL;
	const char *output;
	size_t size = 0;
	int rc;

	uni_ec2_add(&form, "InstanceId", id);
	rc = ec2_ask(aws, region, "GetConsoleOutput", &form, true, &root, err);
	if (rc != 0)
		return rc;
	/* It comes in lines. */
	for (output = uni_xml_text(root, "output"); output != NULL && *output != '\0'; output++)
		if (strchr(" \t\r\n", *output) == NULL)
			uni_buf_putc(&packed, *output);
	plain = uni_alloc(packed.size + 1);
	if (!uni_unbase64(uni_buf_text(&packed), plain, packed.size, &size))
		return uni_err_set(err, UNI_E_NETWORK, "GetConsoleOutput: its output is no base64");
	uni_buf_add(text, plain, size);
	return 0;
}

int uni_ec2_end(struct uni_aws *aws, const char *region, const char *id, struct uni_err *err)
{
	struct uni_ec2_form form UNI_AUTO_EC2_FORM = { .text = UNI_BUF_INIT };

	uni_ec2_add(&form, "InstanceId.1", id);
	return ec2_tell(aws, region, "TerminateInstances", &form, err);
}
