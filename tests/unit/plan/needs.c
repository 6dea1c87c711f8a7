/* Which kernel an image takes, by what the recipe says and where its forms are started. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <uni/plan/make.h>

#include "tests.h"

#define HEAD                                                                                       \
	"base = 1\nname = \"b\"\nversion = \"1.0.0\"\narch = \"x86_64\"\nkind = \"linux-abi\"\n"   \
	"entries = [\"pvh\"]\nmemory = \"8M\"\ndevices = [\"uart\"]\nfilesystems = [\"tmpfs\"]\n"
#define TAIL                                                                                       \
	"[config]\nchannel = \"part\"\noldest = 1\nnewest = 1\n"                                   \
	"[sysroot]\nstart = []\nlibraries = []\nend = []\n"
#define DISK "\"virtio-blk-pci\", \"virtio-blk-mmio\", \"nvme\", \"ahci\", \"virtio-scsi-pci\""
#define MORE "\"smp\", \"smbios\", "
#define NET "\"virtio-net-pci\", \"virtio-net-mmio\""
#define OTHERS "\"ena\", \"xen-blkfront\", \"xen-netfront\", \"xen-console\", \"xen-clock\""
#define FEW "\"zstd\", \"none\""
#define ALL "\"zstd\", \"none\", \"gzip\""
#define KERNEL(name, devices, filesystems, compressions, protocols)                                \
	"[[kernel]]\nname = \"" name "\"\nfile = \"" name ".elf\"\ndevices = [" devices            \
	"]\nfilesystems = [" filesystems "]\ncompressions = [" compressions                        \
	"]\nprotocols = [" protocols "]\n"
#define BARE KERNEL("bare", "", "", "", "")
#define VOLUMES KERNEL("volumes", MORE DISK, "\"squashfs\"", FEW, "")
#define NETWORK KERNEL("network", MORE DISK ", " NET, "\"squashfs\"", ALL, "\"ip\"")
#define WRITABLE "\"squashfs\", \"ext4\", \"live\""
#define SERVER KERNEL("server", MORE DISK ", " NET, WRITABLE, ALL, "\"ip\"")
#define FULL KERNEL("full", MORE DISK ", " NET ", " OTHERS, WRITABLE, ALL, "\"ip\"")

static const char several[] = HEAD TAIL BARE VOLUMES NETWORK SERVER FULL;

static const char only[] = "kernel = \"k.elf\"\n" HEAD TAIL;

static char *locate(void *user, const char *member, struct uni_err *err)
{
	(void)user;
	(void)err;
	return uni_strdup(member);
}

static struct uni_base *read_base(const char *text)
{
	struct uni_err err = UNI_ERR_INIT;
	struct uni_base *base = NULL;

	if (uni_base_parse(&base, "base.toml", text, strlen(text), locate, NULL, &err) != 0)
		fail_msg("%s", err.text);
	return base;
}

struct uni_base *parse_base(void)
{
	return read_base(several);
}

#define RECIPE "[image]\nname = \"x\"\n[app]\nprogram = \"x\"\n"
#define VOLUME "[[volume]]\nname = \"v\"\nmount = \"/v\"\n"

static void expect(const char *text, const char *form, const char *place, const char *kernel)
{
	struct uni_recipe *recipe UNI_AUTO(uni_recipe) = parse(text, NULL);
	struct uni_base *base UNI_AUTO(uni_base) = parse_base();
	struct uni_err err = UNI_ERR_INIT;
	const struct uni_base_kernel *chosen;

	assert_string_equal(uni_plan_place(recipe, base, form), place);
	assert_int_equal(uni_plan_kernel(recipe, base, place, &chosen, &err), 0);
	assert_string_equal(chosen->name, kernel);
}

void kernel_is_the_smallest_that_will_do(void **state)
{
	static const struct {
		const char *text;
		const char *kernel;
	} cases[] = {
		{ RECIPE, "bare" },
		{ RECIPE "[config]\nnetwork = \"none\"\n", "bare" },
		{ RECIPE "[[volume]]\nname = \"t\"\nmount = \"/t\"\nformat = \"tmpfs\"\n", "bare" },
		{ RECIPE VOLUME "source = \"v\"\n", "volumes" },
		{ RECIPE VOLUME "source = \"v\"\nembed = true\n", "volumes" },
		{ RECIPE VOLUME "source = \"v\"\ncompression = \"none\"\n", "volumes" },
		{ RECIPE VOLUME "source = \"v\"\ncompression = \"gzip\"\n", "network" },
		{ RECIPE "[machine]\nprocessors = 2\n", "volumes" },
		{ RECIPE "[config]\nruntime = [\"args\"]\n", "volumes" },
		{ RECIPE "[config]\nnetwork = \"dhcp\"\n", "network" },
		{ RECIPE "[config]\nruntime = [\"network\"]\n", "network" },
		{ RECIPE VOLUME "format = \"live\"\nsource = \"v\"\nsize = \"16M\"\n", "server" },
		{ RECIPE VOLUME "format = \"ext4\"\nsource = \"v\"\nsize = \"16M\"\n", "server" },
	};

	(void)state;
	for (size_t i = 0; i < UNI_COUNT(cases); i++)
		expect(cases[i].text, "raw", "", cases[i].kernel);
}

void forms_of_other_places_have_kernels_of_their_own(void **state)
{
	static const char volume[] = RECIPE VOLUME "source = \"v\"\n";
	static const char network[] = RECIPE "[config]\nnetwork = \"dhcp\"\n";

	(void)state;
	expect(volume, "elf", "", "volumes");
	expect(volume, "qcow2", "", "volumes");
	expect(volume, "firecracker", "", "volumes");
	expect(volume, "xen", "xen", "full");
	expect(network, "ami", "ec2", "full");
	/* The same kernel, so the same image. */
	expect(volume, "vmdk", "", "volumes");
	expect(volume, "ami", "ec2", "full"); /* Nitro wants ENA of every image */
	expect(network, "ova", "", "network");
	expect(RECIPE "[base]\ndevices = [\"ena\"]\n", "ami", "", "full");
}

void what_is_asked_for_by_name_is_there(void **state)
{
	(void)state;
	expect(RECIPE "[base]\ndevices = [\"nvme\"]\n", "raw", "", "volumes");
	expect(RECIPE "[base]\ndevices = [\"ena\"]\n", "raw", "", "full");
	expect(RECIPE "[base]\nfilesystems = [\"squashfs\"]\n", "raw", "", "volumes");
	expect(RECIPE "[base]\nfilesystems = [\"ext4\"]\n", "raw", "", "server");
	expect(RECIPE "[base]\nprotocols = [\"ip\"]\n", "raw", "", "network");
}

void a_base_with_one_kernel_gives_that(void **state)
{
	struct uni_recipe *recipe UNI_AUTO(uni_recipe) =
		parse(RECIPE VOLUME "source = \"v\"\n", NULL);
	struct uni_base *base UNI_AUTO(uni_base) = read_base(only);
	const struct uni_base_kernel *chosen;
	struct uni_err err = UNI_ERR_INIT;

	(void)state;
	assert_int_equal(base->kernel_count, 1);
	assert_string_equal(uni_plan_place(recipe, base, "ami"), "");
	assert_int_equal(uni_plan_kernel(recipe, base, "", &chosen, &err), 0);
	assert_string_equal(chosen->file.member, "k.elf");
	assert_int_equal(uni_base_need_filesystem(base, "squashfs", NULL, &err), UNI_E_UNSUPPORTED);
}

/* Two kernels, each without what the other has; the place is the first that asks. */
void what_no_kernel_has_together_has_its_place(void **state)
{
	static const char text[] = HEAD TAIL VOLUMES KERNEL("net", NET, "", "", "\"ip\"");
	struct uni_recipe *recipe UNI_AUTO(uni_recipe) =
		parse(RECIPE "[config]\nnetwork = \"dhcp\"\n" VOLUME "source = \"v\"\n", NULL);
	struct uni_base *base UNI_AUTO(uni_base) = read_base(text);
	const struct uni_base_kernel *chosen;
	struct uni_err err = UNI_ERR_INIT;
	struct uni_pos pos;

	(void)state;
	assert_int_equal(uni_plan_kernel_at(recipe, base, "", &chosen, &pos, &err),
			 UNI_E_UNSUPPORTED);
	assert_null(chosen);
	assert_int_equal(pos.line, 6);
	assert_int_equal(pos.column, 11);
	assert_string_equal(err.text,
			    "no kernel of base b 1.0.0 can do all that is wanted: volumes "
			    "has no driver virtio-net-pci, net has no driver "
			    "virtio-blk-pci");
	assert_string_equal(err.hint, "line 6 asks for virtio-net-pci, line 7 for virtio-blk-pci: "
				      "leave something out, or take another base");
}
