#define _GNU_SOURCE
#include "shell.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void become_shell(const char *command, int output)
{
	int nothing = open("/dev/null", O_RDONLY);

	dup2(nothing, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	execl("/bin/sh", "sh", "-c", command, NULL);
	_exit(127);
}

static void pass_on(int fd, FILE *out)
{
	FILE *output = fdopen(fd, "r");
	char *line = NULL;
	size_t size = 0;
	ssize_t length;

	while (output && (length = getline(&line, &size, output)) > 0) {
		if (line[length - 1] == '\n')
			line[length - 1] = 0;
		fprintf(out, "- %s\n", line);
		fflush(out);
	}
	free(line);
	if (output)
		fclose(output);
}

int shell_run(const char *command, FILE *out)
{
	int ends[2], status;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	child = fork();
	if (child == 0)
		become_shell(command, ends[1]);
	close(ends[1]);
	if (child < 0) {
		close(ends[0]);
		return -1;
	}
	pass_on(ends[0], out);
	if (waitpid(child, &status, 0) < 0)
		return -1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
