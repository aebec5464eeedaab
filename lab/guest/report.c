#define _GNU_SOURCE
#include "report.h"

#include <errno.h>
#include <glob.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>

#define SYSLOG_ACTION_READ_ALL 3
#define SYSLOG_ACTION_SIZE_BUFFER 10

static bool interesting(const char *line)
{
	static const char *const words[] = {
		"virtio_gpu", "virtio-gpu", "virtio gpu", "drm", "WARNING", "BUG", "*ERROR*",
		"Call Trace", "Oops", "blocked for more than", "stall", "RIP:",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strstr(line, words[i]))
			return true;
	}
	return false;
}

int report_log(FILE *out)
{
	int size = klogctl(SYSLOG_ACTION_SIZE_BUFFER, NULL, 0);
	char *text, *rest, *line;
	int length;

	if (size < 0)
		return -1;
	text = malloc((size_t)size + 1);
	if (!text)
		return -1;
	length = klogctl(SYSLOG_ACTION_READ_ALL, text, size);
	if (length < 0) {
		free(text);
		return -1;
	}
	text[length] = 0;
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		if (interesting(line))
			fprintf(out, "- %s\n", line);
	}
	free(text);
	return 0;
}

int report_edid(FILE *out, uint32_t scanout)
{
	char pattern[64];
	glob_t paths;
	FILE *file;
	int byte;

	// Connectors are named from 1 on.
	snprintf(pattern, sizeof(pattern), "/sys/class/drm/card*-Virtual-%u/edid", scanout + 1);
	if (glob(pattern, 0, NULL, &paths) != 0) {
		errno = ENOENT;
		return -1;
	}
	file = fopen(paths.gl_pathv[0], "re");
	globfree(&paths);
	if (!file)
		return -1;
	fputs("- ", out);
	while ((byte = fgetc(file)) != EOF)
		fprintf(out, "%02x", byte);
	fputc('\n', out);
	fclose(file);
	return 0;
}
