/*
 * What the drivers share among themselves. A bus (pci.c, virtio_mmio.c, acpi.c) finds a device and
 * looks for its driver in a list of the linker's (uk/registry.h); a new driver is one file.
 */
#ifndef UK_DRIVERS_H
#define UK_DRIVERS_H

#include <uk/io.h>
#include <uk/registry.h>
#include <uk/types.h>

/* pci.c */
struct uk_pci_dev {
	uint8_t bus, slot, function;
	uint16_t vendor, device;
	uint16_t subsystem;
	uint32_t class; /* class, subclass, interface: 24 bits */
	uint8_t line;	/* the interrupt line that the firmware wrote down; 0 or 255: none */
	uint16_t msix;	/* offset of the capability, 0: none */
	uint16_t msix_count;
	volatile uint32_t *msix_table; /* mapped by uk_pci_msix_start */
	struct uk_pci_slot *slot_of;   /* NULL: it was there at start, and stays */
};

struct uk_pci_driver {
	const char *name;
	bool (*match)(const struct uk_pci_dev *dev);
	/* Takes the device, or leaves it with a negative errno; it lives for ever in any case. */
	int (*start)(struct uk_pci_dev *dev);
};

/* Whether this is a machine of the PC's kind, with configuration ports. */
bool uk_pci_start(void);
uint32_t uk_pci_read32(const struct uk_pci_dev *dev, unsigned offset);
uint16_t uk_pci_read16(const struct uk_pci_dev *dev, unsigned offset);
uint8_t uk_pci_read8(const struct uk_pci_dev *dev, unsigned offset);
void uk_pci_write32(const struct uk_pci_dev *dev, unsigned offset, uint32_t v);
void uk_pci_write16(const struct uk_pci_dev *dev, unsigned offset, uint16_t v);

enum uk_pci_command { UK_PCI_IO = 1, UK_PCI_MEMORY = 2, UK_PCI_MASTER = 4, UK_PCI_NO_INTX = 0x400 };
/* Reads what it is; false: nothing answers there. */
bool uk_pci_is_there(struct uk_pci_dev *dev);
/* To the drivers; whether one took it, which has a copy. */
bool uk_pci_offer(const struct uk_pci_dev *dev);
/* Sets and clears bits of the command register. */
void uk_pci_enable(const struct uk_pci_dev *dev, unsigned bits);
void uk_pci_disable(const struct uk_pci_dev *dev, unsigned bits);

/* The capability behind `after` (0 starts) with this id; 0: none. */
unsigned uk_pci_capability(const struct uk_pci_dev *dev, uint8_t id, unsigned after);

struct uk_pci_bar {
	uint64_t base; /* 0: not there, or not placed by the firmware */
	bool io;
	bool wide; /* takes the next BAR's number as well */
};
struct uk_pci_bar uk_pci_bar(const struct uk_pci_dev *dev, unsigned index);
/* Maps [offset, offset + size) of a memory BAR; NULL when it is none, or not there. A BAR that no
 * firmware placed gets its place now. */
volatile void *uk_pci_map(const struct uk_pci_dev *dev, unsigned index, uint64_t offset,
			  uint64_t size);

/* MSI-X: maps the table and switches it on with every entry masked; 0 or negative errno. */
int uk_pci_msix_start(struct uk_pci_dev *dev);
/* A vector of this processor for table entry `index`; 0 or negative errno. */
int uk_pci_msix_set(struct uk_pci_dev *dev, unsigned index, void (*fn)(void *arg), void *arg);
/* The pin's interrupt, for devices without MSI-X. Lines are shared: `fn` looks first whether it was
 * its device. */
int uk_pci_intx_set(struct uk_pci_dev *dev, void (*fn)(void *arg), void *arg);

/* Takes a vector back; its function does not run any more. */
void uk_pci_msix_clear(struct uk_pci_dev *dev, unsigned index);

/* hotplug.c */
/* Notes a port whose slot is empty; false: it is none. */
bool uk_pci_slot_add(const struct uk_pci_dev *port);
/* Its driver is done with a device that was plugged in, and uses it no more. */
void uk_pci_give_back(struct uk_pci_dev *dev);

/* acpi.c */
/* The `nth` table with this signature. */
const void *uk_acpi_table_nth(const char signature[4], unsigned nth, size_t *size);
/* The differentiated table (nth 0), then the secondary ones: their AML. NULL ends. */
const uint8_t *uk_acpi_aml(unsigned nth, size_t *size);

/* aml.c: what can be told from AML without an interpreter; bounded by `size`. */
/* Sleep types of \_S5; false when the bytes do not hold it. */
bool uk_aml_s5(const uint8_t *aml, size_t size, uint8_t *type_a, uint8_t *type_b);
/* What the method with this name returns, if that is a constant. */
bool uk_aml_method(const uint8_t *aml, size_t size, const char name[4], uint64_t *v);
struct uk_aml_device {
	uint64_t base; /* of its first memory: registers, or of a bridge what it hands on */
	uint64_t length;
	uint64_t region;    /* first operation region in memory, 0: none */
	uint32_t interrupt; /* first extended interrupt, UINT32_MAX: none */
	bool level, active_low;
};
/* The device after position `*at` whose _HID is this string and whose _CRS is a plain buffer;
 * moves `*at` behind it. */
bool uk_aml_device(const uint8_t *aml, size_t size, size_t *at, const char *hid,
		   struct uk_aml_device *out);

/* virtio_mmio.c */
void uk_virtio_mmio_start(void);

/* smbios.c: for uk_smbios_read, and apart for tests. */
/* Whether an entry point is at `bytes`, of which `left` may be looked at; and where it leads. */
bool uk_smbios_entry(const uint8_t *bytes, size_t left, uk_paddr_t *table, size_t *size);
/* Bytes of all OEM strings "NAME:" and digits, or negative errno; -UK_ENOENT: none. */
int64_t uk_smbios_strings(const uint8_t *table, size_t size, const char *name, void *data,
			  size_t room);

/* cmdline.c */
/* The number behind `option`, "NAME=", if it is there. */
bool uk_cmdline_number(const char *line, const char *option, uint64_t *v);
/* The next device that a kernel command line names; moves `*line` behind it. */
bool uk_virtio_mmio_option(const char **line, struct uk_aml_device *out);

/* Every driver of this kernel. */
struct uk_virtio_driver;
UK_REGISTRY(uk_pci_drivers, struct uk_pci_driver);
UK_REGISTRY(uk_virtio_drivers, struct uk_virtio_driver);
#define UK_PCI_DRIVER(driver) UK_REGISTER(uk_pci_drivers, struct uk_pci_driver, driver)
#define UK_VIRTIO_DRIVER(driver) UK_REGISTER(uk_virtio_drivers, struct uk_virtio_driver, driver)

#endif
