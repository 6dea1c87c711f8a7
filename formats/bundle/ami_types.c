/*
 * EC2's families of instance types on x86-64, as far as they differ in what an image must bring.
 *
 * From what DescribeInstanceTypes answers (Hypervisor, NetworkInfo.EnaSupport, SupportedBootModes,
 * BareMetal), and the EC2 User Guide, "Requirements to launch an EC2 instance in UEFI boot mode".
 * Families are not added to either list any more: all new ones are of the Nitro System and know
 * UEFI.
 */
#include <string.h>
#include <uni/bundle/ami_types.h>

/* Machines on Xen; of these h1, i3, m4.16xlarge, r4, x1 and x1e can show ENA beside Xen's network.
 */
static const char *const on_xen[] = { "c1", "c3", "c4", "d2", "h1", "i2", "i3", "m1", "m2",
				      "m3", "m4", "r3", "r4", "t1", "t2", "x1", "x1e" };
/* Machines of the Nitro System that start by BIOS alone; bare metal is told by its size. */
static const char *const without_uefi[] = { "p4d",    "p4de",	"trn1", "trn1n",
					    "u-3tb1", "u-6tb1", "vt1" };

static bool in_list(const char *const *list, size_t count, const char *type)
{
	for (size_t i = 0; i < count; i++) {
		size_t size = strlen(list[i]);

		if (strncmp(type, list[i], size) == 0 && (type[size] == '.' || type[size] == '\0'))
			return true;
	}
	return false;
}

static const char *no_xen(const struct uni_ami_needs *image)
{
	if (!image->bios)
		return "it starts by BIOS alone, the image does not";
	if (!image->xen_disk)
		return "it shows disks as Xen does, which the image's kernel does not drive";
	if (image->network && !image->xen_network)
		return "it shows the network as Xen does, which the image's kernel does not drive";
	return NULL;
}

static const char *no_nitro(const struct uni_ami_needs *image)
{
	if (!image->nvme)
		return "it shows disks as NVMe, which the image's kernel does not drive";
	return image->ena ? NULL : "it takes no image without ENA";
}

bool uni_ami_starts(const struct uni_ami_needs *image, const char *type, const char **why)
{
	const char *reason;

	if (in_list(on_xen, UNI_COUNT(on_xen), type)) {
		reason = no_xen(image);
	} else {
		bool bios_only = in_list(without_uefi, UNI_COUNT(without_uefi), type) ||
				 strstr(type, ".metal") != NULL;

		reason = no_nitro(image);
		if (reason == NULL && bios_only && !image->bios)
			reason = "it starts by BIOS alone, the image does not";
	}
	if (why != NULL)
		*why = reason;
	return reason == NULL;
}

static void add_list(struct uni_buf *out, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		uni_buf_printf(out, "%s%s", i != 0 ? ", " : "", list[i]);
}

void uni_ami_types_text(const struct uni_ami_needs *image, struct uni_buf *out)
{
	bool nitro = no_nitro(image) == NULL;

	if (nitro)
		uni_buf_puts(out, "Nitro types");
	if (nitro && !image->bios) {
		uni_buf_puts(out, " but metal, ");
		add_list(out, without_uefi, UNI_COUNT(without_uefi));
	}
	if (no_xen(image) != NULL)
		return;
	uni_buf_puts(out, nitro ? "; " : "");
	add_list(out, on_xen, UNI_COUNT(on_xen));
}
