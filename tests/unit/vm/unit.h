/*
 * What the units of the machine runner share: a guest of a hundred bytes that says "up", does what
 * it is told, and says how it ended.
 */
#ifndef UNIT_VM_H
#define UNIT_VM_H

#include "scratch.h"

#include <uni/vm/vm.h>

int unit_qmp(void);
int unit_machine(void);
int unit_detached(void);
int unit_bells(void);
int unit_forward(void);

enum guest_mode {
	GUEST_ENDS,    /* at once, as a program with status 5 */
	GUEST_BUTTON,  /* on the power button */
	GUEST_IS_DEAF, /* never */
};
/* Writes the guest, and fills `spec` for it on machine "pc". */
void guest_make(void **state, enum guest_mode mode, struct uni_vm_spec *spec);

#endif
