// The test guest's program: serves the host's commands from a serial port, a line each.
//
// An answer is any number of data lines, "- ...", and one last line, "ok [...]" or "error ...". At the start, and
// so after each reboot, the guest says "ready KERNEL-RELEASE" unasked.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/utsname.h>
#include <termios.h>
#include <unistd.h>

#include "card.h"
#include "clock.h"
#include "cursor.h"
#include "driver.h"
#include "load.h"
#include "report.h"
#include "screen.h"
#include "shell.h"
#include "spin.h"

#define ARGUMENTS_MAX 8

struct command {
	const char *name;
	int argument_count;
	bool needs_card;  // opens the card first
	bool on_scanout;  // its first argument is a scanout
	int (*run)(long *arguments, FILE *out);
};

static struct card card = { .fd = -1 };

// The one argument that is no number: that of "load".
static const char *load_name;

static void release_card(void)
{
	if (card.fd < 0)
		return;
	cursor_release(&card);
	screen_release(&card);
	card_close(&card);
}

static int run_ping(long *arguments, FILE *out)
{
	(void)arguments, (void)out;
	return 0;
}

static int run_modes(long *arguments, FILE *out)
{
	static struct connector connector;

	(void)arguments;
	for (uint32_t scanout = 0; scanout < card.scanout_count; scanout++) {
		if (card_read_connector(&card, scanout, &connector) < 0)
			return -1;
		fprintf(out, "- %u %s", scanout, connector.connected ? "connected" : "disconnected");
		for (uint32_t i = 0; i < connector.mode_count; i++)
			fprintf(out, " %ux%u", connector.modes[i].hdisplay, connector.modes[i].vdisplay);
		fputc('\n', out);
	}
	return 0;
}

static int run_pattern(long *a, FILE *out)
{
	(void)out;
	return screen_show_pattern(&card, a[0], a[1], a[2], a[3]);
}

static int run_flip(long *a, FILE *out)
{
	uint64_t waited_us;

	if (screen_flip(&card, a[0], a[1], a[2], &waited_us) < 0)
		return -1;
	fprintf(out, "- waited_us %llu\n", (unsigned long long)waited_us);
	return 0;
}

static int run_dirty(long *a, FILE *out)
{
	(void)out;
	return screen_dirty(&card, a[0], (struct rectangle){ a[1], a[2], a[3], a[4] }, a[5]);
}

static int run_off(long *a, FILE *out)
{
	(void)out;
	return screen_off(&card, a[0]);
}

static int run_cursor(long *a, FILE *out)
{
	(void)out;
	return cursor_show(&card, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static int run_cursor_move(long *a, FILE *out)
{
	(void)out;
	return cursor_move(&card, a[0], a[1], a[2]);
}

static int run_cursor_hide(long *a, FILE *out)
{
	(void)out;
	return cursor_hide(&card, a[0]);
}

static int run_edid(long *a, FILE *out)
{
	return report_edid(out, a[0]);
}

static int run_load(long *a, FILE *out)
{
	if (a[0] < 1 || a[0] > (long)card.scanout_count) {
		errno = ECHRNG;
		return -1;
	}
	return load_run(&card, load_name ? load_name : "", a[0], a[1], a[2], out);
}

static int run_pokes(long *a, FILE *out)
{
	return load_pokes(&card, a[0], a[1], out);
}

static int run_hash(long *a, FILE *out)
{
	fprintf(out, "- %x\n", load_hash(a[0]));
	return 0;
}

static int run_clock(long *arguments, FILE *out)
{
	uint64_t at_us, error_us;

	(void)arguments;
	if (clock_mark(&at_us, &error_us) < 0)
		return -1;
	fprintf(out, "- %llu %llu\n", (unsigned long long)at_us, (unsigned long long)error_us);
	return 0;
}

static int run_spin(long *a, FILE *out)
{
	(void)out;
	return spin(a[0]);
}

static int run_dmesg(long *arguments, FILE *out)
{
	(void)arguments;
	return report_log(out);
}

static int run_unbind(long *arguments, FILE *out)
{
	(void)arguments, (void)out;
	release_card();
	return driver_unbind();
}

static int run_bind(long *arguments, FILE *out)
{
	(void)arguments, (void)out;
	return driver_bind();
}

static const struct command commands[] = {
	{ "ping", 0, false, false, run_ping },
	{ "modes", 0, true, false, run_modes },
	{ "pattern", 4, true, true, run_pattern },         // SCANOUT WIDTH HEIGHT SEED
	{ "flip", 3, true, true, run_flip },               // SCANOUT COUNT SEED
	{ "dirty", 6, true, true, run_dirty },             // SCANOUT X Y WIDTH HEIGHT SEED
	{ "off", 1, true, true, run_off },                 // SCANOUT
	{ "cursor", 6, true, true, run_cursor },           // SCANOUT X Y HOT-X HOT-Y SEED
	{ "cursor-move", 3, true, true, run_cursor_move }, // SCANOUT X Y
	{ "cursor-hide", 1, true, true, run_cursor_hide }, // SCANOUT
	{ "edid", 1, true, true, run_edid },               // SCANOUT
	{ "load", 3, true, false, run_load },              // NAME HEADS MS WITH-TIMES: see load.h
	{ "pokes", 2, true, false, run_pokes },            // COUNT PAUSE-MS
	{ "hash", 1, true, true, run_hash },               // SCANOUT
	{ "clock", 0, false, false, run_clock },
	{ "spin", 1, false, false, run_spin },             // TASKS
	{ "dmesg", 0, false, false, run_dmesg },
	{ "unbind", 0, false, false, run_unbind },
	{ "bind", 0, false, false, run_bind },
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

static int run(const struct command *command, long *arguments, FILE *out)
{
	if (command->needs_card && card.fd < 0 && card_open(&card) < 0)
		return -1;
	if (command->on_scanout && (arguments[0] < 0 || arguments[0] >= (long)card.scanout_count)) {
		errno = ECHRNG;
		return -1;
	}
	return command->run(arguments, out);
}

static void stop_machine(FILE *out, int how)
{
	fputs("ok\n", out);
	fflush(out);
	tcdrain(fileno(out));
	sync();
	reboot(how);
}

// The card is released first: a program that shows something must be the card's only master.
static void serve_shell(const char *command, int (*run)(const char *command, FILE *out), FILE *out)
{
	int status;

	release_card();
	status = command ? run(command, out) : 0;
	if (status < 0)
		fprintf(out, "error sh: %s\n", strerror(errno));
	else if (status > 0)
		fprintf(out, "error sh: exit status %d\n", status);
	else
		fputs("ok\n", out);
	fflush(out);
}

static void serve_line(char *line, FILE *out)
{
	char *name = strtok(line, " \r\n");
	long arguments[ARGUMENTS_MAX];
	int count = 0;
	const struct command *command;

	if (!name)
		return;
	if (strcmp(name, "sh") == 0) {
		serve_shell(strtok(NULL, "\r\n"), shell_run, out);
		return;
	}
	if (strcmp(name, "tty") == 0) {
		serve_shell(strtok(NULL, "\r\n"), shell_run_on_terminal, out);
		return;
	}
	load_name = strcmp(name, "load") == 0 ? strtok(NULL, " \r\n") : NULL;
	for (char *word; count < ARGUMENTS_MAX && (word = strtok(NULL, " \r\n")); count++)
		arguments[count] = strtol(word, NULL, 0);
	if (strcmp(name, "reboot") == 0)
		stop_machine(out, RB_AUTOBOOT);
	if (strcmp(name, "poweroff") == 0)
		stop_machine(out, RB_POWER_OFF);
	command = find_command(name);
	if (!command)
		fprintf(out, "error no command %s\n", name);
	else if (count != command->argument_count)
		fprintf(out, "error %s takes %d arguments\n", name, command->argument_count);
	else if (run(command, arguments, out) < 0)
		fprintf(out, "error %s: %s\n", name, strerror(errno));
	else
		fputs("ok\n", out);
	fflush(out);
}

static FILE *open_port(const char *path)
{
	FILE *port = fopen(path, "r+e");
	struct termios settings;

	if (!port || tcgetattr(fileno(port), &settings) < 0)
		return NULL;
	cfmakeraw(&settings);
	cfsetspeed(&settings, B115200);
	tcsetattr(fileno(port), TCSANOW, &settings);
	return port;
}

int main(int argc, char **argv)
{
	FILE *port = argc == 2 ? open_port(argv[1]) : NULL;
	struct utsname name;
	char line[4096];

	if (!port) {
		fprintf(stderr, "usage: fencepost-guest SERIAL-PORT\n");
		return 2;
	}
	uname(&name);
	fprintf(port, "ready %s\n", name.release);
	fflush(port);
	while (fgets(line, sizeof(line), port))
		serve_line(line, port);
	return 1;
}
