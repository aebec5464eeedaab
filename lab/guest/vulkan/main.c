// Works with the first Vulkan device, which VK_DRIVER_FILES chooses: in the guest, and on the host for comparison.
//
//   fencepost-vulkan compute [ROUNDS]     numbers that the CPU can check
//   fencepost-vulkan cube FILE.ppm        a picture
//   fencepost-vulkan show SECONDS         the cube turns on the guest's first output
//
// Says "device NAME by DRIVER" first. Ends with 3 where the device was lost, with 1 where anything else went wrong.

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compute.h"
#include "cube.h"
#include "device.h"
#include "show.h"

#define FILE_TURN 0.6f

static int compute(struct device *device, const char *rounds)
{
	return compute_run(device, rounds ? atoi(rounds) : 1);
}

static int draw_to_file(struct device *device, const char *path)
{
	struct cube cube = cube_make(device);
	const uint8_t *pixels = cube_draw(device, &cube, FILE_TURN);
	FILE *file = fopen(path, "we");

	if (!file) {
		perror(path);
		return 1;
	}
	fprintf(file, "P6\n%d %d\n255\n", CUBE_WIDTH, CUBE_HEIGHT);
	for (size_t i = 0; i < CUBE_WIDTH * CUBE_HEIGHT; i++)
		fwrite(pixels + i * 4, 1, 3, file);
	return fclose(file) < 0;
}

static int show(struct device *device, const char *seconds)
{
	if (show_cube(device, atof(seconds)) == 0)
		return 0;
	perror("the first output");
	return 1;
}

static const struct work {
	const char *name;
	bool wants_argument;
	int (*run)(struct device *device, const char *argument);
} works[] = {
	{ "compute", false, compute },
	{ "cube", true, draw_to_file },
	{ "show", true, show },
};

static const struct work *find(int argc, char **argv)
{
	for (size_t i = 0; argc >= 2 && i < sizeof(works) / sizeof(works[0]); i++) {
		if (strcmp(argv[1], works[i].name) == 0 && argc <= 3 && (argc == 3 || !works[i].wants_argument))
			return &works[i];
	}
	return NULL;
}

int main(int argc, char **argv)
{
	const struct work *work = find(argc, argv);
	struct device device;

	if (!work) {
		fprintf(stderr, "usage: fencepost-vulkan compute [ROUNDS] | cube FILE.ppm | show SECONDS\n");
		return 2;
	}
	device_open(&device);
	printf("device %s by %s\n", device.name, device.driver);
	fflush(stdout);
	return work->run(&device, argc > 2 ? argv[2] : NULL);
}
