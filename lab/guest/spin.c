#define _GNU_SOURCE
#include "spin.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TASKS_MAX 16

static pid_t running[TASKS_MAX];

static void compute(void)
{
	const struct sched_param lowest = { 0 };
	volatile unsigned long turns = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sched_setscheduler(0, SCHED_IDLE, &lowest);
	for (;;)
		turns++;
}

int spin(long tasks)
{
	for (int i = 0; i < TASKS_MAX; i++) {
		if (running[i] > 0) {
			kill(running[i], SIGKILL);
			waitpid(running[i], NULL, 0);
		}
		running[i] = i < tasks ? fork() : 0;
		if (running[i] < 0)
			return -1;
		if (i < tasks && running[i] == 0)
			compute();
	}
	return 0;
}
