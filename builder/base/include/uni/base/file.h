/*
 * Files: whole reads with a bound, output that is whole or absent, folders, locks, copies that
 * share blocks where the file system can. Temporary names are registered so that a signal or the
 * end of memory removes them (uni_tmp_cleanup, async-signal-safe).
 */
#ifndef UNI_BASE_FILE_H
#define UNI_BASE_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <uni/base/text.h>

/* Reads a regular file of at most `limit` bytes; UNI_E_LIMIT above, UNI_E_CHANGED when its size
 * moves. */
int uni_file_read(const char *path, uint64_t limit, struct uni_buf *out, struct uni_err *err);
int uni_file_write(const char *path, const void *data, size_t size, unsigned mode,
		   struct uni_err *err); /* atomic */
bool uni_file_exists(const char *path);

int uni_read_full(int fd, void *data, size_t size, const char *name,
		  struct uni_err *err); /* UNI_E_CORRUPT when short */
int uni_pread_full(int fd, void *data, size_t size, uint64_t offset, const char *name,
		   struct uni_err *err);
int uni_write_full(int fd, const void *data, size_t size, const char *name, struct uni_err *err);
int uni_pwrite_full(int fd, const void *data, size_t size, uint64_t offset, const char *name,
		    struct uni_err *err);

/*
 * To be called behind each write of a large file that is made from front to back: the disk begins
 * with what is there, rather than when all is there and is flushed. A hint; what goes wrong shows
 * when the file is flushed.
 */
void uni_write_behind(int fd, uint64_t from, uint64_t to);

/*
 * An output file: written under a temporary name in the same folder, then flushed, checked, closed,
 * renamed, the folder synced. Free without commit removes it. `mode` is subject to the umask.
 */
struct uni_outfile;
int uni_outfile_open(struct uni_outfile **out, const char *path, unsigned mode,
		     struct uni_err *err);
/* The same under a temporary name that `key` (letters and digits) says and that the next one finds:
 * what a process that was killed wrote of it is there still, `*begun` says so. What others left
 * under other keys is removed. While another process writes it, it is as uni_outfile_open. */
int uni_outfile_resume(struct uni_outfile **out, const char *path, const char *key, unsigned mode,
		       bool *begun, struct uni_err *err);
int uni_outfile_fd(const struct uni_outfile *out);
const char *
uni_outfile_tmp(const struct uni_outfile *out); /* the temporary path, for children that write it */
/* `sync`: fsync file and folder. Replaces what is there. Consumes nothing: free follows. */
int uni_outfile_commit(struct uni_outfile *out, bool sync, struct uni_err *err);
/* Many, flushed together, which costs little more than one; named in order once all are flushed. */
int uni_outfile_commit_all(struct uni_outfile *const *files, size_t count, bool sync,
			   struct uni_err *err);
/* From now on its commit takes no other file's place (UNI_E_EXIST). */
void uni_outfile_keep(struct uni_outfile *out);
void uni_outfile_free(struct uni_outfile *out);
UNI_AUTO_DEFINE(uni_outfile)

/*
 * What every command does about an output's name that is taken: the file there is kept, unless the
 * user says `replace` (--force). Asked before the work (UNI_E_EXIST, with what to do), ...
 */
int uni_output_check(const char *path, bool replace, struct uni_err *err);
/* ... and held to when `made`, in the same file system, gets the name: in one step. */
int uni_output_name(const char *made, const char *path, bool replace, struct uni_err *err);
/* An output file under that rule: both of the above. */
int uni_output_open(struct uni_outfile **out, const char *path, unsigned mode, bool replace,
		    struct uni_err *err);

int uni_dir_make(const char *path, unsigned mode,
		 struct uni_err *err); /* with parents; fine when there */
int uni_dir_remove(const char *path,
		   struct uni_err *err); /* with all below; fine when absent; follows no link */
/* Gives a folder its place, which another folder may have: that is gone then, in one step where the
 * file system knows how. UNI_E_EXIST, and nothing is changed, when a file stands there. */
int uni_dir_put(const char *made, const char *folder, struct uni_err *err);
/* A fresh folder below `parent` (or the system's temporary folder for NULL), removed by
 * uni_tmp_cleanup. */
int uni_dir_tmp(const char *parent, char **path, struct uni_err *err);
/* Waits until the disk has the folder's names. */
int uni_dir_sync(const char *dir, struct uni_err *err);
/* Names in a folder, sorted by bytes, without "." and "..". */
int uni_dir_list(const char *path, struct uni_strv *names, struct uni_err *err);

/* A file without a name, in the system's temporary folder; gone when it is closed. */
int uni_file_nameless(int *fd, struct uni_err *err);

void uni_tmp_register(const char *path); /* file or folder */
void uni_tmp_forget(const char *path);	 /* it has its final name, or is gone */
void uni_tmp_cleanup(void);		 /* removes what is registered; for exits and signals */

/* Copies `size` bytes: reflink, else copy_file_range, else read and write; holes stay holes, so the
 * target must read as zeros there. */
int uni_copy_range(int from, uint64_t from_offset, int to, uint64_t to_offset, uint64_t size,
		   struct uni_err *err);
/* Whole file to `path`, atomically, with `mode`. */
int uni_file_copy(const char *from, const char *path, unsigned mode, struct uni_err *err);
/* The next range with data at or behind `*offset` (SEEK_DATA/SEEK_HOLE; all data where not
 * supported). 1: found, 0: none up to `size`, negative: error. */
int uni_data_next(int fd, uint64_t size, uint64_t *offset, uint64_t *length, struct uni_err *err);
bool uni_all_zero(const void *data, size_t size);
/* Whether these bytes, many thousands but less than 256 MiB, are as even as those that were
 * compressed or encrypted: a compressor that looks at them longer makes them a hundredth smaller at
 * most. */
bool uni_is_noise(const void *data, size_t size);

/* Advisory lock on a lock file (created); `exclusive` or shared; waits unless `wait` is false
 * (UNI_E_BUSY). Released when the descriptor is closed. */
int uni_lock(const char *path, bool exclusive, bool wait, int *fd, struct uni_err *err);

#endif
