/*
 * Every table and key of the recipe language. Nothing about the language stands anywhere else: what
 * is added here is checked, documented and known to editors.
 */
#include "schema.h"

#include <string.h>
#include <uni/abi/config.h>
#include <uni/recipes/recipe.h>

/* squashfs has 32 bits for a time. */
#define EPOCH_MOST 4294967295
/* Above it stands what setuid(2) takes for "as it is". */
#define ID_MOST 4294967294

static const struct schema_key image_keys[] = {
	{ .name = "name",
	  .takes = TAKES_STRING,
	  .form = FORM_NAME,
	  .required = true,
	  .means = "Name of the image and of the files that are written." },
	{ .name = "version",
	  .takes = TAKES_STRING,
	  .form = FORM_VERSION,
	  .fallback = "\"0.0.0\"",
	  .means = "Version of the image (semver.org)." },
	{ .name = "requires-uni",
	  .takes = TAKES_STRING,
	  .form = FORM_RANGE,
	  .means = "Versions of `uni` that this recipe is for; others refuse it." },
	{ .name = "epoch",
	  .takes = TAKES_INTEGER | TAKES_DATETIME,
	  .least = 0,
	  .most = EPOCH_MOST,
	  .fallback = "0",
	  .means = "The time that stands wherever the image needs one: seconds since 1970, or a "
		   "date "
		   "and time with offset." },
};
static const struct schema_table image_table = {
	.title = "[image]",
	.means = "What is built.",
	KEYS(image_keys),
};

static const struct schema_key base_keys[] = {
	{ .name = "name",
	  .takes = TAKES_STRING,
	  .form = FORM_PACKAGE,
	  .fallback = "\"unibase\"",
	  .means = "Package that holds the base." },
	{ .name = "version",
	  .takes = TAKES_STRING,
	  .form = FORM_RANGE,
	  .fallback = "(any)",
	  .means = "Versions of that package that will do." },
	{ .name = "path",
	  .takes = TAKES_STRING,
	  .form = FORM_FILE,
	  .means = "A base in a folder (with its `base.toml`) or a package file, instead of "
		   "`name`." },
	{ .name = "devices",
	  .item = "device",
	  .takes = TAKES_LIST,
	  .form = FORM_NAME,
	  .means = "Devices that the image's kernel must drive besides those of its forms, by the "
		   "base's words: `[\"nvme\"]` for a disk that turns up as NVMe." },
	{ .name = "filesystems",
	  .item = "filesystem",
	  .takes = TAKES_LIST,
	  .form = FORM_NAME,
	  .means = "File systems that it must mount besides those of `[[volume]]`, of volumes that "
		   "come to the machine while it runs: `[\"live\", \"ext4\"]`." },
	{ .name = "protocols",
	  .item = "protocol",
	  .takes = TAKES_LIST,
	  .form = FORM_NAME,
	  .means = "Protocols that it must speak besides: `[\"ip\"]` for sockets that reach the "
		   "machine itself where `[config]` asks for no network." },
};
static const struct schema_table base_table = {
	.title = "[base]",
	.means = "The base: a kernel with what is needed to link programs for it.",
	KEYS(base_keys),
};

static const struct schema_key app_keys[] = {
	{ .name = "sources",
	  .item = "source",
	  .takes = TAKES_LIST,
	  .form = FORM_FILE,
	  .means = "C files to compile." },
	{ .name = "include",
	  .takes = TAKES_LIST,
	  .form = FORM_FILE,
	  .means = "Folders in which the C files find headers." },
	{ .name = "cflags",
	  .item = "flag",
	  .takes = TAKES_LIST,
	  .form = FORM_CFLAG,
	  .means = "Flags for compiling, behind `uni`'s own. Allowed are `-DNAME[=VALUE]`, "
		   "`-UNAME`, "
		   "`-IFOLDER`, `-O0` to `-O3`, `-Os`, `-Og`, `-std=STANDARD`, `-W...` for "
		   "warnings, "
		   "`-w`, `-fno-strict-aliasing`, `-fwrapv`, `-fsigned-char`, `-funsigned-char`." },
	{ .name = "objects",
	  .item = "object",
	  .takes = TAKES_LIST,
	  .form = FORM_INPUT,
	  .means = "Object files to link, or packages of them." },
	{ .name = "libraries",
	  .item = "library",
	  .takes = TAKES_LIST,
	  .form = FORM_INPUT,
	  .means = "Archives to link behind the objects, in this order, or packages of them." },
	{ .name = "program",
	  .takes = TAKES_STRING,
	  .form = FORM_INPUT,
	  .means = "A finished program, or a package of one, instead of sources and objects: "
		   "static, "
		   "or with its loader and libraries in a volume." },
	{ .name = "path",
	  .takes = TAKES_STRING,
	  .form = FORM_ABSOLUTE,
	  .means = "A program among the files of a volume, instead of `program`: it starts where "
		   "it lies, finds what lies beside it, and is read as it is used. It is its own "
		   "first argument." },
	{ .name = "args",
	  .item = "argument",
	  .takes = TAKES_LIST,
	  .form = FORM_TEXT,
	  .fallback = "[]",
	  .runtime = UNI_CONFIG_ARG,
	  .means = "Arguments of the program, behind its name." },
	{ .name = "env",
	  .takes = TAKES_MAP,
	  .form = FORM_TEXT,
	  .key_pattern = "^[A-Za-z_][A-Za-z0-9_]*$",
	  .fallback = "{}",
	  .runtime = UNI_CONFIG_ENV,
	  .means = "Environment of the program." },
	{ .name = "cwd",
	  .takes = TAKES_STRING,
	  .form = FORM_ABSOLUTE,
	  .fallback = "\"/\"",
	  .runtime = UNI_CONFIG_CWD,
	  .means = "Folder in which the program starts." },
	{ .name = "jit",
	  .takes = TAKES_BOOL,
	  .fallback = "false",
	  .means = "The program compiles code while it runs: it may have memory that is writable "
		   "and executable at once, which is refused to all others." },
	{ .name = "user",
	  .takes = TAKES_INTEGER,
	  .least = 0,
	  .most = ID_MOST,
	  .fallback = "0",
	  .means =
		  "Number of the user whom the program is, for servers that refuse to be root (0). "
		  "What it makes belongs to this user, and so does what a writable volume starts "
		  "with. Files are then opened, changed and removed as their owners and bits "
		  "permit, as on Linux; any port may be bound." },
	{ .name = "group",
	  .takes = TAKES_INTEGER,
	  .least = 0,
	  .most = ID_MOST,
	  .fallback = "(as `user`)",
	  .means = "Number of its group." },
};
static const struct schema_table app_table = {
	.title = "[app]",
	.means = "The program: `program`, `path`, or what it is linked from. `uni` compiles for "
		 "the base under fixed flags, so that the same sources give the same bytes.",
	KEYS(app_keys),
};

static const struct schema_key ca_keys[] = {
	{ .name = "bundle",
	  .takes = TAKES_STRING,
	  .form = FORM_INPUT,
	  .required = true,
	  .means = "File with certificates in PEM form, or a package of one, which a bare word "
		   "names too (`mozilla`; a file of such a name is `./mozilla`)." },
};
static const struct schema_table ca_table = {
	.title = "[ca]",
	.means = "The authorities that the program trusts; placed at every path where programs "
		 "look.",
	KEYS(ca_keys),
};

static const struct schema_key limits_keys[] = {
	{ .name = "open-files",
	  .takes = TAKES_INTEGER,
	  .least = 8,
	  .most = 1048576,
	  .fallback = "(the base's)",
	  .means = "Files and sockets open at once." },
	{ .name = "stack",
	  .takes = TAKES_INTEGER | TAKES_STRING,
	  .form = FORM_SIZE,
	  .least = 65536,
	  .most = (int64_t)1 << 34,
	  .fallback = "(the base's)",
	  .means = "Stack of the program's first thread." },
	{ .name = "memory",
	  .takes = TAKES_INTEGER | TAKES_STRING,
	  .form = FORM_SIZE,
	  .least = 1 << 20,
	  .most = (int64_t)1 << 44,
	  .fallback = "(all there is)",
	  .means = "Memory that the program may ask for: what it may write to and is its own. More "
		   "is refused (ENOMEM)." },
};
static const struct schema_table limits_table = {
	.title = "[config.limits]",
	.means = "Limits of the program.",
	KEYS(limits_keys),
};

static const struct schema_key config_keys[] = {
	{ .name = "hostname",
	  .takes = TAKES_STRING,
	  .form = FORM_HOSTNAME,
	  .fallback = "(the image's name)",
	  .runtime = UNI_CONFIG_HOSTNAME,
	  .means = "Name of the machine." },
	{ .name = "hosts",
	  .item = "host",
	  .takes = TAKES_LIST | TAKES_MAP,
	  .form = FORM_HOST,
	  .key_pattern = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$",
	  .runtime = UNI_CONFIG_HOST,
	  .means = "Names of other machines: a list of lines `\"ADDRESS NAME...\"`, or a table of "
		   "`name = \"ADDRESS\"`." },
	{ .name = "resolvers",
	  .item = "resolver",
	  .takes = TAKES_LIST,
	  .form = FORM_ADDRESS,
	  .runtime = UNI_CONFIG_RESOLVER,
	  .means = "Addresses of name servers." },
	{ .name = "network",
	  .takes = TAKES_STRING | TAKES_LIST,
	  .form = FORM_NETWORK,
	  .runtime = UNI_CONFIG_NETWORK,
	  .fallback = "(none)",
	  .means =
		  "`\"dhcp\"`, `\"none\"`, `\"ADDRESS/PREFIX\"` or `\"ADDRESS/PREFIX,GATEWAY\"`; a "
		  "list for several addresses. Without, the image's kernel speaks no IP." },
	{ .name = "time-servers",
	  .item = "time-server",
	  .takes = TAKES_LIST,
	  .form = FORM_ADDRESS,
	  .runtime = UNI_CONFIG_TIME_SERVER,
	  .means = "Addresses of SNTP servers, whom the machine's clock follows." },
	{ .name = "syslog",
	  .takes = TAKES_STRING,
	  .form = FORM_ADDRESS,
	  .runtime = UNI_CONFIG_SYSLOG,
	  .means = "Address of a host that takes what the console shows as syslog messages, on UDP "
		   "port 514." },
	{ .name = "limits",
	  .takes = TAKES_TABLE,
	  .table = &limits_table,
	  .runtime = UNI_CONFIG_LIMIT,
	  .means = "Limits of the program." },
	{ .name = "on-exit",
	  .takes = TAKES_STRING,
	  .form = FORM_WORD,
	  .words = WORDS("off", "reboot", "restart"),
	  .fallback = "\"off\"",
	  .runtime = UNI_CONFIG_ON_EXIT,
	  .means = "What follows the program's end: power off, reboot, or the program again." },
	{ .name = "on-fault",
	  .takes = TAKES_STRING,
	  .form = FORM_WORD,
	  .words = WORDS("off", "reboot", "restart"),
	  .fallback = "\"off\"",
	  .runtime = UNI_CONFIG_ON_FAULT,
	  .means = "What follows a fault of program or kernel." },
	{ .name = "log-level",
	  .takes = TAKES_STRING,
	  .form = FORM_WORD,
	  .words = WORDS("error", "warning", "notice", "debug"),
	  .fallback = "\"warning\"",
	  .runtime = UNI_CONFIG_LOG_LEVEL,
	  .means = "What the kernel says on the console." },
	{ .name = "grace",
	  .takes = TAKES_INTEGER | TAKES_STRING,
	  .form = FORM_DURATION,
	  .least = 0,
	  .most = 3600,
	  .fallback = "\"10s\"",
	  .runtime = UNI_CONFIG_GRACE,
	  .means = "How long the program has between SIGTERM and power off." },
	{ .name = "runtime",
	  .takes = TAKES_LIST,
	  .form = FORM_WORD,
	  .words = WORDS("args", "env", "cwd", "hostname", "hosts", "resolvers", "network",
			 "time-servers", "syslog", "limits", "on-exit", "on-fault", "log-level",
			 "grace"),
	  .fallback = "[]",
	  .means = "Keys whose values may be given again when the image starts, without a "
		   "rebuild." },
};
static const struct schema_table config_table = {
	.title = "[config]",
	.means = "How the machine is set up.",
	KEYS(config_keys),
};

static const struct schema_key machine_keys[] = {
	{ .name = "memory",
	  .takes = TAKES_INTEGER | TAKES_STRING,
	  .form = FORM_SIZE,
	  .least = 4 << 20,
	  .most = (int64_t)1 << 44,
	  .fallback = "\"128M\"",
	  .means = "Memory of the machine." },
	{ .name = "processors",
	  .takes = TAKES_INTEGER,
	  .least = 1,
	  .most = 256,
	  .fallback = "1",
	  .means = "Processors of the machine." },
};
static const struct schema_table machine_table = {
	.title = "[machine]",
	.means = "What `uni run` starts. It changes nothing in the image.",
	KEYS(machine_keys),
};

static const struct schema_key file_keys[] = {
	{ .name = "path",
	  .takes = TAKES_STRING,
	  .form = FORM_ABSOLUTE,
	  .required = true,
	  .means = "Where the file is in the machine." },
	{ .name = "source",
	  .takes = TAKES_STRING,
	  .form = FORM_INPUT,
	  .means = "File, or package of one, whose content it gets." },
	{ .name = "text",
	  .takes = TAKES_STRING,
	  .form = FORM_TEXT,
	  .means = "Its content, instead of `source`." },
	{ .name = "link",
	  .takes = TAKES_STRING,
	  .form = FORM_LINE,
	  .means = "It is a symbolic link to this path, instead of `source`." },
	{ .name = "mode",
	  .takes = TAKES_INTEGER,
	  .least = 0,
	  .most = 0777,
	  .fallback = "0o644",
	  .means = "Permission bits." },
	{ .name = "runtime",
	  .takes = TAKES_BOOL,
	  .fallback = "false",
	  .means = "Whether other content may be given when the image starts: `uni run --file "
		   "PATH=FILE`." },
	{ .name = "allow-secret",
	  .takes = TAKES_BOOL,
	  .fallback = "false",
	  .means = "Whether its content may be a private key or credential, which a build refuses "
		   "otherwise." },
};
static const struct schema_table file_table = {
	.title = "[[file]]",
	.means = "A file in the machine's root file system, which lives in memory. Large content "
		 "belongs "
		 "into a volume.",
	KEYS(file_keys),
};

static const struct schema_key secret_keys[] = {
	{ .name = "name",
	  .takes = TAKES_STRING,
	  .form = FORM_NAME,
	  .required = true,
	  .means = "Name of the secret, by which it is given at start: `uni run --secret "
		   "NAME=FILE`." },
	{ .name = "path",
	  .takes = TAKES_STRING,
	  .form = FORM_ABSOLUTE,
	  .fallback = "\"/run/secrets/NAME\"",
	  .means = "Where the program finds it." },
	{ .name = "mode",
	  .takes = TAKES_INTEGER,
	  .least = 0,
	  .most = 0777,
	  .fallback = "0o400",
	  .means = "Permission bits." },
	{ .name = "required",
	  .takes = TAKES_BOOL,
	  .fallback = "true",
	  .means = "Whether the machine refuses to start without it." },
};
static const struct schema_table secret_table = {
	.title = "[[secret]]",
	.means = "A file that is never part of the image: its content is given when the image "
		 "starts, and "
		 "lives in memory alone.",
	KEYS(secret_keys),
};

static const struct schema_key volume_keys[] = {
	{ .name = "name",
	  .takes = TAKES_STRING,
	  .form = FORM_NAME,
	  .required = true,
	  .means = "Name of the volume." },
	{ .name = "mount",
	  .takes = TAKES_STRING,
	  .form = FORM_ABSOLUTE,
	  .required = true,
	  .means = "Folder in the machine where it appears." },
	{ .name = "source",
	  .takes = TAKES_STRING,
	  .form = FORM_INPUT,
	  .means = "A folder, a tar file or a package whose content it holds. Required for "
		   "squashfs." },
	{ .name = "format",
	  .takes = TAKES_STRING,
	  .form = FORM_WORD,
	  .words = WORDS("squashfs", "tmpfs", "live", "ext4"),
	  .fallback = "\"squashfs\"",
	  .means = "`squashfs` is read-only and part of the image; `tmpfs` is empty, writable, and "
		   "lives in memory; `live` takes new content while machines serve from it (`uni "
		   "volume copy`), and is a disk of its own, NAME.VOLUME.vol beside the image; "
		   "`ext4` is part of the image, or with `mode = \"rw\"` a disk beside it, "
		   "NAME.VOLUME.raw, that keeps what machines write." },
	{ .name = "compression",
	  .takes = TAKES_STRING,
	  .form = FORM_WORD,
	  .words = WORDS("zstd", "lz4", "gzip", "none"),
	  .fallback = "\"zstd\"",
	  .means = "How a squashfs is compressed." },
	{ .name = "level",
	  .takes = TAKES_INTEGER,
	  .least = 1,
	  .most = 22,
	  .fallback = "(chosen by uni)",
	  .means = "Level of the compression: up to 22 for zstd, up to 9 for gzip." },
	{ .name = "block-size",
	  .takes = TAKES_INTEGER | TAKES_STRING,
	  .form = FORM_SIZE,
	  .least = 4096,
	  .most = 1 << 20,
	  .fallback = "\"128K\"",
	  .means = "What a squashfs compresses at once: a power of two from 4K to 1M." },
	{ .name = "mode",
	  .takes = TAKES_STRING | TAKES_INTEGER,
	  .form = FORM_WORD,
	  .words = WORDS("normal", "keep", "rw"),
	  .least = 0,
	  .most = 0777,
	  .fallback = "\"normal\"",
	  .means = "Permission bits of its files. `normal`: 0755 for folders and for what the "
		   "owner may "
		   "execute, 0644 for the rest. `keep`: as the source has them. A number such as "
		   "`0o444`: "
		   "these for every file, and for folders with x wherever there is r. `rw`, of an "
		   "ext4: the machine writes to it; what it starts with has the bits of the "
		   "source." },
	{ .name = "size",
	  .takes = TAKES_INTEGER | TAKES_STRING,
	  .form = FORM_SIZE,
	  .least = 4096,
	  .most = SIZE_MOST,
	  .fallback = "(what it needs; half of memory for tmpfs)",
	  .means = "Room of a squashfs's partition, what a tmpfs may hold, or the size of an "
		   "ext4, which a writable one needs." },
	{ .name = "embed",
	  .takes = TAKES_BOOL,
	  .fallback = "false",
	  .means = "Put the volume into the bootable ELF instead of a partition; for at most 4 "
		   "MiB. A writable ext4 becomes a partition of the image's disk instead of a disk "
		   "of its own." },
	{ .name = "verity",
	  .takes = TAKES_BOOL,
	  .fallback = "true",
	  .means = "Give it a dm-verity hash tree, whose root the kernel checks what it reads "
		   "against." },
	{ .name = "epoch",
	  .takes = TAKES_INTEGER | TAKES_DATETIME,
	  .least = 0,
	  .most = EPOCH_MOST,
	  .fallback = "(the image's)",
	  .means = "Time of its files." },
	{ .name = "key",
	  .takes = TAKES_STRING,
	  .form = FORM_LINE,
	  .means = "Of a live volume: the Ed25519 public key, 64 hex digits, by which each new "
		   "content must be signed. Without it any is taken." },
	{ .name = "least-generation",
	  .takes = TAKES_INTEGER,
	  .least = 1,
	  .most = INT32_MAX,
	  .fallback = "1",
	  .means = "Of a live volume: older content than this is not taken." },
	{ .name = "allow-secret",
	  .item = "path",
	  .takes = TAKES_LIST,
	  .form = FORM_ABSOLUTE,
	  .fallback = "[]",
	  .means = "Files of the volume, such as `\"/tls/key.pem\"`, that may be private keys or "
		   "credentials. A build refuses others: what is in an image is known to whoever "
		   "has it. See `[[secret]]`." },
};
static const struct schema_table volume_table = {
	.title = "[[volume]]",
	.means = "A file system of the machine beside its root.",
	KEYS(volume_keys),
};

static const struct schema_key recipe_keys[] = {
	{ .name = "image",
	  .takes = TAKES_TABLE,
	  .table = &image_table,
	  .required = true,
	  .means = "What is built." },
	{ .name = "base", .takes = TAKES_TABLE, .table = &base_table, .means = "The base." },
	{ .name = "app",
	  .takes = TAKES_TABLE,
	  .table = &app_table,
	  .required = true,
	  .means = "The program." },
	{ .name = "ca", .takes = TAKES_TABLE, .table = &ca_table, .means = "Whom it trusts." },
	{ .name = "config",
	  .takes = TAKES_TABLE,
	  .table = &config_table,
	  .means = "How the machine is set up." },
	{ .name = "machine",
	  .takes = TAKES_TABLE,
	  .table = &machine_table,
	  .means = "What `uni run` starts." },
	{ .name = "file",
	  .takes = TAKES_TABLES,
	  .table = &file_table,
	  .merge_key = "path",
	  .means = "Files of the root file system." },
	{ .name = "secret",
	  .takes = TAKES_TABLES,
	  .table = &secret_table,
	  .merge_key = "name",
	  .means = "Files whose content is given at start." },
	{ .name = "volume",
	  .takes = TAKES_TABLES,
	  .table = &volume_table,
	  .merge_key = "name",
	  .means = "File systems beside the root." },
	{ .name = "output",
	  .takes = TAKES_TABLE,
	  .table = &schema_output,
	  .means = "The files that a build writes." },
	{ .name = "test",
	  .takes = TAKES_TABLES,
	  .table = &schema_test,
	  .merge_key = "name",
	  .means = "What `uni test` expects of the image." },
	{ .name = "variant",
	  .takes = TAKES_NAMED,
	  .table = &schema_recipe,
	  .key_pattern = "^[a-z0-9][a-z0-9._-]{0,63}$",
	  .means = "Overlays by name: each holds any of the tables above." },
};
const struct schema_table schema_recipe = {
	.means = "A recipe is a TOML 1.0.0 file. Its paths are relative to its folder and may not "
		 "lead "
		 "out of it, unless `--allow-outside` is given. Unknown keys are errors.",
	KEYS(recipe_keys),
};

const struct schema_form_info schema_forms[FORM_COUNT] = {
	[FORM_LINE] = { "a line of text", "control characters cannot stand here", NULL },
	[FORM_TEXT] = { "text", "a NUL cannot stand here", NULL },
	[FORM_BYTES] = { "text", NULL, NULL },
	[FORM_WORD] = { "one of its words", NULL, NULL },
	[FORM_NAME] = { "a name",
			"names are up to 64 lower-case letters, digits, '.', '_' and '-', the "
			"first a "
			"letter or digit",
			"^[a-z0-9][a-z0-9._-]{0,63}$" },
	[FORM_VERSION] = { "a version", "versions look like 1.2.3 or 1.2.3-rc.1 (semver.org)",
			   "^(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)"
			   "(-[0-9A-Za-z.-]+)?(\\+[0-9A-Za-z.-]+)?$" },
	[FORM_RANGE] = { "a range of versions",
			 "ranges look like \"1.2\", \"^1.2\", \"~1.2.3\" or \">=1, <2\"",
			 "^[0-9A-Za-z.+^~<>=*, -]+$" },
	[FORM_PACKAGE] = { "a package's name",
			   "names are up to 64 lower-case letters, digits, '.', '_' and '-', the "
			   "first a letter or digit",
			   "^[a-z0-9][a-z0-9._-]{0,63}$" },
	[FORM_ABSOLUTE] = { "an absolute path",
			    "write it from /, without a slash at its end, '.', '..' or '//', each "
			    "name at most 255 bytes",
			    "^/([^/]+(/[^/]+)*)?$" },
	[FORM_INPUT] = { "a path, package or address",
			 "write a path relative to the recipe, or pkg:NAME, pkg:NAME@RANGE or "
			 "pkg:NAME/FILE, or https://HOST/FILE#sha256:DIGEST, or "
			 "git+https://HOST/REPOSITORY#COMMIT:PATH, or "
			 "oci://HOST/NAME:TAG@sha256:DIGEST//PATH",
			 "^.+$" },
	[FORM_FILE] = { "a path",
			"write a path relative to the recipe; a package cannot stand here",
			"^.+$" },
	[FORM_SIZE] = { "a size",
			"sizes are bytes as a number, or text such as \"512K\", \"64M\", "
			"\"2G\"",
			"^[0-9]+([KMGT](iB|B)?)?$" },
	[FORM_DURATION] = { "a duration",
			    "durations are seconds as a number, or text such as \"500ms\", "
			    "\"10s\", "
			    "\"2m\"",
			    "^[0-9]+(ms|s|m)$" },
	[FORM_HOSTNAME] = { "a host name",
			    "host names are up to 64 letters, digits, '-' and '.', each part with "
			    "a "
			    "letter or digit at both ends",
			    "^[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$" },
	[FORM_HOST] = { "a line of hosts",
			"write an address and names: \"10.0.0.2 db db.internal\"", NULL },
	[FORM_ADDRESS] = { "an IP address", "write it as 10.0.0.1 or fd00::1", "^[0-9A-Fa-f.:]+$" },
	[FORM_NETWORK] = { "a network setting",
			   "write \"dhcp\", \"none\", \"10.0.0.2/24\" or \"10.0.0.2/24,10.0.0.1\"",
			   "^(dhcp|none|[0-9A-Fa-f.:]+/[0-9]+(,[0-9A-Fa-f.:]+)?)$" },
	[FORM_CFLAG] = { "an allowed flag",
			 "allowed are -DNAME[=VALUE], -UNAME, -IFOLDER, -O0 to -O3, -Os, -Og, "
			 "-std=STANDARD, -W..., -w, -fno-strict-aliasing, -fwrapv, -fsigned-char, "
			 "-funsigned-char",
			 "^-(D|U|I|O[0-3sg]$|std=|W|w$|fno-strict-aliasing$|fwrapv$|fsigned-char$|"
			 "funsigned-char$)" },
	[FORM_REGEX] = { "a regular expression",
			 "extended regular expressions of POSIX, at most 256 characters, without "
			 "back references, and repeated by braces at most 1000 times in all",
			 NULL },
	[FORM_SHA256] = { "a SHA-256", "64 lower-case hexadecimal digits", "^[0-9a-f]{64}$" },
	[FORM_TARGET] = { "a path of HTTP", "write it from /, without spaces", "^/[!-~]*$" },
	[FORM_DNS_NAME] = { "a domain name",
			    "letters, digits, '-' and '_' between dots, up to 253 in all",
			    "^[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*[.]?$" },
};

const struct schema_key *schema_find(const struct schema_table *table, const char *name)
{
	for (size_t i = 0; i < table->count; i++)
		if (strcmp(table->keys[i].name, name) == 0)
			return &table->keys[i];
	return NULL;
}
