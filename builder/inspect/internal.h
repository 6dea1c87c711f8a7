/* What the files of this module share. */
#ifndef UNI_INSPECT_INTERNAL_H
#define UNI_INSPECT_INTERNAL_H

#include <uni/inspect/image.h>
#include <uni/inspect/program.h>

/* loader.c: what the EFI system partition holds; what cannot be read is no loader. */
void image_read_loader(struct uni_image *image, const struct uni_disk_entry *entry);

/* folder.c: a folder that is an image, NAME.ami or an image layout with a disk in it. *ami is NULL
 * for the latter; the source borrows it. `digest` is what the image is known by. */
int image_open_folder(const char *path, struct uni_ami **ami, struct uni_disk_source **source,
		      struct uni_digest *digest, struct uni_err *err);
/* A disk in any form that is one file; UNI_E_UNSUPPORTED with what to do about others. */
int image_open_file(const char *path, struct uni_disk_source **source, struct uni_err *err);

/* image.c */
struct uni_image_volume *image_add_volume(struct uni_image *image, const char *name, int fd,
					  uint64_t offset, uint64_t size);
void image_set_mount(struct uni_image_volume *volume, const struct uni_boot_mount *mount);
int image_read_kernel(struct uni_image *image, struct uni_err *err);
/* kernel.c: what the disk's kernel can do; none are added where it does not say. */
int image_kernel_words(struct uni_disk_source *source, const struct uni_disk *disk,
		       const char *name, struct uni_strv *words, struct uni_err *err);
/* machine.c: UNI_E_UNSUPPORTED when the file is no description. */
int image_read_machine(struct uni_image *image, struct uni_err *err);

/* program.c: `text` is taken; the hint may be NULL. */
void program_finding(struct uni_program_look *look, enum uni_program_severity severity, char *text,
		     const char *hint);
char *program_image_name(const char *path); /* "/usr/bin/My_Server" as "my_server" */
/* program_libraries.c: what a dynamic program needs besides, and the recipe's part about it. */
void program_look_at_libraries(const struct uni_elf *elf, struct uni_program_look *look);
bool program_holds_secret(const char *path); /* what looks like a key, in a file */
void program_put_libraries(const struct uni_program_look *look, const char *folder,
			   struct uni_buf *out);

#endif
