// Works with the first Vulkan device, which VK_DRIVER_FILES chooses: in the guest, and on the host for comparison.
//
//   fencepost-vulkan compute [ROUNDS]     numbers that the CPU can check
//   fencepost-vulkan cube FILE.ppm        a picture
//
// Says "device NAME by DRIVER" first. Ends with 3 where the device was lost, with 1 where anything else went wrong.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compute.h"
#include "cube.h"
#include "device.h"

static int draw_to_file(struct device *device, const char *path)
{
	const uint8_t *pixels = cube_draw(device, 0.6f);
	FILE *file = fopen(path, "we");

	if (!file)
		return -1;
	fprintf(file, "P6\n%d %d\n255\n", CUBE_WIDTH, CUBE_HEIGHT);
	for (size_t i = 0; i < CUBE_WIDTH * CUBE_HEIGHT; i++)
		fwrite(pixels + i * 4, 1, 3, file);
	return fclose(file);
}

static int run(const char *what, const char *argument)
{
	struct device device;

	device_open(&device);
	printf("device %s by %s\n", device.name, device.driver);
	fflush(stdout);
	if (strcmp(what, "compute") == 0)
		return compute_run(&device, argument ? atoi(argument) : 1);
	if (draw_to_file(&device, argument) < 0) {
		perror(argument);
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int computes = argc >= 2 && strcmp(argv[1], "compute") == 0;

	if ((computes && argc <= 3) || (argc == 3 && strcmp(argv[1], "cube") == 0))
		return run(argv[1], argc > 2 ? argv[2] : NULL);
	fprintf(stderr, "usage: fencepost-vulkan compute [ROUNDS] | cube FILE.ppm\n");
	return 2;
}
