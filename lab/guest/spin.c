#define _GNU_SOURCE
#include "spin.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define CPUS_MAX 16

static pid_t tasks[CPUS_MAX];

static void spin(void)
{
	const struct sched_param lowest = { 0 };
	volatile unsigned long turns = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sched_setscheduler(0, SCHED_IDLE, &lowest);
	for (;;)
		turns++;
}

int spin_start(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	spin_stop();
	for (long cpu = 0; cpu < cpus && cpu < CPUS_MAX; cpu++) {
		tasks[cpu] = fork();
		if (tasks[cpu] < 0)
			return -1;
		if (tasks[cpu] == 0)
			spin();
	}
	return 0;
}

int spin_stop(void)
{
	for (int i = 0; i < CPUS_MAX; i++) {
		if (tasks[i] > 0) {
			kill(tasks[i], SIGKILL);
			waitpid(tasks[i], NULL, 0);
		}
		tasks[i] = 0;
	}
	return 0;
}
