#define _GNU_SOURCE
#include "shell.h"

#include <fcntl.h>
#include <pty.h>
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

static int finish(pid_t child, int output, FILE *out)
{
	int status;

	pass_on(output, out);
	if (waitpid(child, &status, 0) < 0)
		return -1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int shell_run(const char *command, FILE *out)
{
	int ends[2];
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
	return finish(child, ends[0], out);
}

int shell_run_on_terminal(const char *command, FILE *out)
{
	int terminal;
	pid_t child = forkpty(&terminal, NULL, NULL, NULL);

	if (child == 0)
		become_shell(command, STDOUT_FILENO);
	return child < 0 ? -1 : finish(child, terminal, out);
}
