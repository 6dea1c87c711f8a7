/*
 * The emulator's control socket: QEMU Machine Protocol (QEMU documentation, "QEMU Machine Protocol
 * Specification"). One JSON object a line; what the emulator tells unasked (events) is passed over.
 */
#ifndef UNI_VM_QMP_H
#define UNI_VM_QMP_H

#include <uni/base/json.h>

struct uni_qmp;

/* A listening socket of that name, and its descriptor for the emulator. The path may be longer
 * than a socket's name can be. */
int uni_qmp_listen(const char *path, int *fd, struct uni_err *err);

/* Connects, and agrees with the emulator on how to talk. UNI_E_NOENT or UNI_E_NETWORK when nobody
 * listens or the emulator ends, UNI_E_TIMEOUT when it does not answer. */
int uni_qmp_open(struct uni_qmp **qmp, const char *path, int timeout_ms, struct uni_err *err);
/* In two steps, for who also starts the emulator: the connection waits in the socket's queue. */
int uni_qmp_connect(struct uni_qmp **qmp, const char *path, struct uni_err *err);
int uni_qmp_greet(struct uni_qmp *qmp, int timeout_ms, struct uni_err *err);

/* A command without arguments; its answer goes to `answer` (NULL: not wanted). */
int uni_qmp_command(struct uni_qmp *qmp, const char *command, int timeout_ms,
		    struct uni_json **answer, struct uni_err *err);
/* With arguments, a JSON object, or NULL. */
int uni_qmp_command_with(struct uni_qmp *qmp, const char *command, const char *arguments,
			 int timeout_ms, struct uni_json **answer, struct uni_err *err);

/* Without waiting, on a connection that nobody greeted: both sides' words are on their way at
 * once. */
int uni_qmp_post(struct uni_qmp *qmp, const char *command, const char *arguments,
		 struct uni_err *err);
/* 1: it was carried out; 0: more is to come, when poll says so of this descriptor. */
int uni_qmp_posted(struct uni_qmp *qmp, const char *command, struct uni_err *err);
int uni_qmp_fd(const struct uni_qmp *qmp);
void uni_qmp_free(struct uni_qmp *qmp);
UNI_AUTO_DEFINE(uni_qmp)

#endif
