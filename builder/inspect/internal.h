/* What the files of this module share. */
#ifndef UNI_INSPECT_INTERNAL_H
#define UNI_INSPECT_INTERNAL_H

#include <uni/inspect/image.h>
#include <uni/inspect/program.h>

/* loader.c: what the EFI system partition holds; what cannot be read is no loader. */
void image_read_loader(struct uni_image *image, const struct uni_disk_entry *entry);

/* program.c: `text` is taken; the hint may be NULL. */
void program_finding(struct uni_program_look *look, enum uni_program_severity severity, char *text,
		     const char *hint);
char *program_image_name(const char *path); /* "/usr/bin/My_Server" as "my_server" */
void program_put_string(struct uni_buf *out, const char *text); /* as TOML has it */
/* program_libraries.c: what a dynamic program needs besides, and the recipe's part about it. */
void program_look_at_libraries(const struct uni_elf *elf, struct uni_program_look *look);
void program_put_libraries(const struct uni_program_look *look, const char *folder,
			   struct uni_buf *out);

#endif
