/*
 * Into user mode and out of it: registers, flags, FS, SSE state, exceptions, SYSRET's trap,
 * preemption. The test takes the place of proc/'s hooks and maps three pages by hand.
 */
#include "ktest.h"
#include <uk/paging.h>
#include <uk/trap.h>

#define USER_CODE 0x400000
#define USER_LATE 0x500000
#define USER_DATA 0x600000
#define USER_STACK 0x700000
#define THREADS 3
#define RFLAGS_AC 0x40000

extern const uint8_t user_code[], user_code_end[];
bool __wrap_uk_user_fault(struct uk_frame *frame, uint64_t address);
void __wrap_uk_user_return(struct uk_frame *frame);
void __wrap_uk_syscall_entry(struct uk_frame *frame);

static struct uk_waitq queue = UK_WAITQ_INIT(queue);
static unsigned done, seen_opcode, seen_breakpoint, seen_kernel, seen_late, seen_bad_rip, returns;
static uint64_t good_rip[THREADS];

static void *map_user(uint64_t virt, uint64_t rights)
{
	volatile uint64_t *pte = uk_pte_find(uk_paging_root(), virt, true);
	struct uk_page *page = uk_page_alloc(0, true);

	CHECK(pte != NULL && page != NULL);
	*pte = uk_page_paddr(page) | rights | UK_PTE_PRESENT | UK_PTE_USER;
	return uk_page_virt(page);
}

static uint64_t number(void)
{
	return (uintptr_t)uk_thread_self()->user;
}

bool __wrap_uk_user_fault(struct uk_frame *frame, uint64_t address)
{
	CHECK(uk_frame_user(frame));
	CHECK((uk_rflags() & 0x200) != 0);
	if (frame->vector == UK_TRAP_OPCODE) {
		seen_opcode++;
		frame->rip += 2;
	} else if (frame->vector == UK_TRAP_BREAKPOINT) {
		seen_breakpoint++;
	} else if (frame->vector == UK_TRAP_PAGE && address == USER_LATE) {
		CHECK(frame->error == (UK_FAULT_USER | UK_FAULT_WRITE));
		seen_late++;
		map_user(USER_LATE, UK_PTE_WRITE | uk_pte_nx);
	} else if (frame->vector == UK_TRAP_PAGE && address == UK_IMAGE_VIRT) {
		CHECK((frame->error & UK_FAULT_USER) != 0);
		seen_kernel++;
		frame->rip += 2;
	} else if (frame->vector == UK_TRAP_PROTECTION && frame->rip == 1ull << 47) {
		seen_bad_rip++;
		frame->rip = good_rip[number()];
	} else {
		uk_panic_trap(frame, address);
	}
	uk_thread_kick(uk_thread_self(), UK_WORK_SIGNAL);
	return true;
}

void __wrap_uk_user_return(struct uk_frame *frame)
{
	CHECK(uk_frame_user(frame) && uk_signal_pending());
	uk_thread_settle(uk_thread_self(), UK_WORK_SIGNAL);
	returns++;
}

void __wrap_uk_syscall_entry(struct uk_frame *f)
{
	CHECK((uk_rflags() & 0x200) != 0 && (uk_rflags() & RFLAGS_AC) == 0);
	CHECK(f->vector == UK_VECTOR_SYSCALL && f->error == f->rax && f->cs == UK_CS_USER);
	switch (f->rax) {
	case 1:
		CHECK(f->rdi == 0x1111 && f->rsi == 0x2222 && f->rdx == 0x3333);
		CHECK(f->r10 == 0x4444 && f->r8 == 0x5555 && f->r9 == 0x6666);
		CHECK(f->rbp == 0x7777 && f->r12 == 0x8888 && f->r15 == 0xbbbb);
		CHECK(f->rbx == number());
		f->rax = 42;
		break;
	case 2:
		done++;
		uk_wake_all(&queue);
		uk_thread_exit();
	case 4:
		uk_yield();
		break;
	case 5:
		good_rip[number()] = f->rip;
		f->rip = 1ull << 47;
		break;
	default:
		uk_panic("user code failed at line %lu", f->rdi);
	}
}

static void enter(void *arg)
{
	struct uk_frame frame = {
		.rip = USER_CODE,
		.rdi = (uintptr_t)arg,
		.rsp = USER_STACK + ((uintptr_t)arg + 1) * UK_PAGE_SIZE,
		/* What a program must not get: I/O ports, interrupts off. */
		.rflags = 0x3000,
	};

	uk_enter_user(&frame);
}

void ktest(void)
{
	uint64_t *data;

	memcpy(map_user(USER_CODE, 0), user_code, (size_t)(user_code_end - user_code));
	data = map_user(USER_DATA, UK_PTE_WRITE | uk_pte_nx);
	for (uintptr_t i = 0; i < THREADS; i++) {
		struct uk_thread *t = uk_thread_new("user", enter, (void *)i);

		CHECK(t != NULL && uk_fpu_new(t) == 0);
		t->user = (void *)i;
		t->fs_base = USER_DATA + 256 + i * 8;
		data[32 + i] = i;
		map_user(USER_STACK + i * UK_PAGE_SIZE, UK_PTE_WRITE | uk_pte_nx);
		uk_thread_start(t);
	}
	CHECK(uk_wait_event(&queue, done == THREADS, UK_FOREVER, false) == 0);
	CHECK(seen_opcode == THREADS && seen_breakpoint == THREADS && seen_kernel == THREADS);
	CHECK(seen_late == 1 && seen_bad_rip == THREADS && returns == 4 * THREADS + 1);
	/* Every table of the lower half comes back. */
	for (uint64_t page = USER_STACK; page < USER_STACK + THREADS * UK_PAGE_SIZE; page += 4096)
		*uk_pte_find(uk_paging_root(), page, false) = 0;
	*uk_pte_find(uk_paging_root(), USER_CODE, false) = 0;
	*uk_pte_find(uk_paging_root(), USER_DATA, false) = 0;
	*uk_pte_find(uk_paging_root(), USER_LATE, false) = 0;
	uint64_t before = uk_mem_free();

	uk_paging_free_tables(uk_paging_root(), 0, UK_USER_END);
	CHECK(uk_mem_free() == before + 4 * UK_PAGE_SIZE);
	CHECK(uk_pte_find(uk_paging_root(), USER_CODE, false) == NULL);
}
