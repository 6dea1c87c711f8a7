/*
 * Which system calls a program can make, and what its kernel makes of them.
 */
#include <elf.h>
#include <string.h>
#include <uni/base/file.h>
#include <uni/kernel/calls.h>

#define CODE_MAX (512u << 20)
#define BACK_MAX 48 /* how far before the instruction its number is looked for */
#define CLONE 56

/* Flags of clone for a process (clone(2)): as glibc's fork passes them, and for a child that
 * borrows the memory until it executes something. */
#define FORK_FLAGS UINT32_C(0x01200011)
#define SPAWN_FLAGS UINT32_C(0x00004111)

/* -- the table -- */

static bool parse_state(const char *word, size_t size, enum uni_call_state *state)
{
	static const char *const words[] = {
		"", "full", "partial", "refused", "needless", "absent",
	};

	for (size_t i = 1; i < UNI_COUNT(words); i++) {
		if (strlen(words[i]) == size && memcmp(words[i], word, size) == 0) {
			*state = (enum uni_call_state)i;
			return true;
		}
	}
	return false;
}

/* The next word of a line, its size in `size`; moves `at` behind it. */
static const char *take_word(const char **at, const char *end, size_t *size)
{
	const char *start;

	while (*at < end && **at == ' ')
		++*at;
	start = *at;
	while (*at < end && **at != ' ')
		++*at;
	*size = (size_t)(*at - start);
	return start;
}

static bool parse_line(struct uni_calls *calls, const char *line, const char *end)
{
	UNI_AUTO_FREE char *digits = NULL;
	struct uni_call call = { .name = NULL };
	const char *number, *name, *state;
	size_t number_size, name_size, state_size;
	uint64_t index;

	number = take_word(&line, end, &number_size);
	name = take_word(&line, end, &name_size);
	state = take_word(&line, end, &state_size);
	digits = uni_strndup(number, number_size);
	if (!uni_str_u64(digits, &index) || index >= UNI_CALLS_MAX || name_size == 0 ||
	    !parse_state(state, state_size, &call.state) || calls->items[index].name != NULL)
		return false;
	while (line < end && *line == ' ')
		line++;
	call.name = uni_strndup(name, name_size);
	call.remark = uni_strndup(line, (size_t)(end - line));
	calls->items[index] = call;
	return true;
}

int uni_calls_parse(struct uni_calls **out, const char *name, const char *text, size_t size,
		    struct uni_err *err)
{
	UNI_AUTO(uni_calls) struct uni_calls *calls = uni_alloc(sizeof(*calls));
	const char *end = text + size;
	unsigned number = 0;

	while (text < end) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));

		if (stop == NULL)
			stop = end;
		number++;
		if (stop != text && *text != '#' && !parse_line(calls, text, stop))
			return uni_err_set(err, UNI_E_INVAL, "%s:%u: is no line of a call", name,
					   number);
		text = stop + 1;
	}
	*out = calls;
	calls = NULL;
	return 0;
}

void uni_calls_free(struct uni_calls *calls)
{
	if (calls == NULL)
		return;
	for (size_t i = 0; i < UNI_CALLS_MAX; i++) {
		free(calls->items[i].name);
		free(calls->items[i].remark);
	}
	free(calls);
}

int uni_calls_find(const struct uni_calls *calls, const char *name)
{
	for (int i = 0; i < UNI_CALLS_MAX; i++)
		if (calls->items[i].name != NULL && uni_str_eq(calls->items[i].name, name))
			return i;
	return -1;
}

/* -- the program -- */

static uint32_t number_at(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* Linux gives x86-64 no calls between these: such a number is of something else. */
static bool is_call(uint32_t number)
{
	return number < UNI_CALLS_MAX && (number <= 334 || number >= 424);
}

/*
 * The number that stands in EAX before the instruction at `at`: mov $N,%eax; mov $N,%rax; push $N,
 * pop %rax; xor %eax,%eax. -1 where it is none of these.
 */
static int find_number(const uint8_t *code, size_t at)
{
	for (size_t back = 2; back <= BACK_MAX && back <= at; back++) {
		const uint8_t *p = code + at - back;

		if (back >= 5 && p[0] == 0xb8 && is_call(number_at(p + 1)))
			return (int)number_at(p + 1);
		if (back >= 7 && p[0] == 0x48 && p[1] == 0xc7 && p[2] == 0xc0 &&
		    is_call(number_at(p + 3)))
			return (int)number_at(p + 3);
		if (back >= 3 && p[0] == 0x6a && p[2] == 0x58 && p[1] < 0x80)
			return p[1];
		if (p[0] == 0x31 && p[1] == 0xc0)
			return 0;
	}
	return -1;
}

static void scan(const uint8_t *code, size_t size, struct uni_elf_calls *calls)
{
	for (size_t i = 0; i + 5 <= size; i++) {
		/* mov $FLAGS,%edi as the call's first argument, or %esi as that of clone(). */
		if ((code[i] == 0xbf && number_at(code + i + 1) == FORK_FLAGS) ||
		    (code[i] == 0xbe && number_at(code + i + 1) == SPAWN_FLAGS))
			calls->forks = true;
	}
	for (size_t i = 0; i + 2 <= size; i++) {
		int number;

		if (code[i] != 0x0f || code[i + 1] != 0x05)
			continue;
		number = find_number(code, i);
		if (number >= 0)
			calls->made[number] = true;
		else
			calls->computed++;
	}
}

int uni_elf_calls(const struct uni_elf *elf, struct uni_elf_calls *calls, struct uni_err *err)
{
	memset(calls, 0, sizeof(*calls));
	for (size_t i = 0; i < elf->segment_count; i++) {
		const struct uni_elf_segment *s = &elf->segments[i];
		UNI_AUTO_FREE uint8_t *code = NULL;

		if (s->type != PT_LOAD || (s->flags & PF_X) == 0 || s->filesz == 0)
			continue;
		if (s->offset > elf->size || s->filesz > elf->size - s->offset)
			return uni_err_set(err, UNI_E_CORRUPT,
					   "%s: a segment reaches behind the file's end",
					   elf->name);
		code = uni_try_alloc(s->filesz, CODE_MAX, "code", err);
		if (code == NULL || uni_pread_full(elf->fd, code, (size_t)s->filesz,
						   elf->base + s->offset, elf->name, err) != 0)
			return uni_err_context(err, "%s", elf->name);
		scan(code, (size_t)s->filesz, calls);
	}
	return 0;
}

static bool in_state(const struct uni_calls *table, const struct uni_elf_calls *made, size_t number,
		     enum uni_call_state state)
{
	enum uni_call_state is = table->items[number].state;

	if (number == CLONE && made->forks && state == UNI_CALL_REFUSED)
		return true;
	if (!made->made[number])
		return false;
	return (is == UNI_CALL_UNLISTED ? UNI_CALL_ABSENT : is) == state;
}

static const char *separator(size_t place, size_t count)
{
	return place == 0 ? "" : place + 1 == count ? " and " : ", ";
}

bool uni_calls_name(const struct uni_calls *table, const struct uni_elf_calls *made,
		    enum uni_call_state state, struct uni_buf *out)
{
	size_t count = 0, done = 0;

	for (size_t i = 0; i < UNI_CALLS_MAX; i++)
		count += in_state(table, made, i, state);
	for (size_t i = 0; i < UNI_CALLS_MAX; i++) {
		if (!in_state(table, made, i, state))
			continue;
		uni_buf_puts(out, separator(done++, count));
		if (table->items[i].name != NULL)
			uni_buf_puts(out, table->items[i].name);
		else
			uni_buf_printf(out, "call %zu", i);
		if (i == CLONE && state == UNI_CALL_REFUSED)
			uni_buf_puts(out, " to fork");
	}
	return count != 0;
}

static int see_starting(void *user, const struct uni_elf_symbol *symbol, struct uni_err *err)
{
	static const char *const starters[] = {
		"fork",	   "vfork",  "_Fork",	    "daemon", "forkpty", "execv",
		"execve",  "execvp", "execvpe",	    "execl",  "execle",	 "execlp",
		"fexecve", "system", "posix_spawn", "popen",  "wordexp", "posix_spawnp",
	};
	struct uni_strv *names = user;

	(void)err;
	for (size_t i = 0; !symbol->defined && i < UNI_COUNT(starters); i++)
		if (uni_str_eq(symbol->name, starters[i]) && !uni_strv_has(names, symbol->name))
			uni_strv_add(names, symbol->name);
	return 0;
}

static bool starting_functions(const struct uni_elf *elf, struct uni_buf *out)
{
	UNI_AUTO_STRV struct uni_strv names = { .items = NULL };
	struct uni_err ignored = UNI_ERR_INIT;

	(void)uni_elf_dynamic_symbols(elf, see_starting, &names, &ignored);
	uni_strv_sort(&names);
	for (size_t i = 0; i < names.count; i++) {
		uni_buf_puts(out, separator(i, names.count));
		uni_buf_puts(out, names.items[i]);
	}
	return names.count != 0;
}

bool uni_calls_starting(const struct uni_calls *table, const struct uni_elf *elf,
			struct uni_elf_calls *made, struct uni_buf *out)
{
	static const char *const starters[] = { "fork", "vfork", "execve", "execveat" };
	struct uni_elf_calls starts = { .forks = made->forks };
	bool refused = false;

	made->forks = false;
	for (size_t i = 0; i < UNI_COUNT(starters); i++) {
		int number = uni_calls_find(table, starters[i]);

		if (number < 0)
			continue;
		starts.made[number] = made->made[number];
		made->made[number] = false;
		refused |= table->items[number].state == UNI_CALL_REFUSED;
	}
	if (uni_calls_name(table, &starts, UNI_CALL_REFUSED, out))
		return true;
	return refused && elf->needed.count != 0 && starting_functions(elf, out);
}
