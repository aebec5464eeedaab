#include "driver.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DRIVER "/sys/bus/virtio/drivers/virtio_gpu"
#define VTCONSOLES "/sys/class/vtconsole"

static char device[64];

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t written;

	if (fd < 0)
		return -1;
	written = write(fd, text, strlen(text));
	close(fd);
	return written < 0 ? -1 : 0;
}

// fbcon holds the driver's framebuffer, and with it the device.
static void unbind_framebuffer_consoles(void)
{
	DIR *directory = opendir(VTCONSOLES);
	struct dirent *entry;

	if (!directory)
		return;
	while ((entry = readdir(directory))) {
		char path[300], name[64] = "";
		FILE *file;

		snprintf(path, sizeof(path), VTCONSOLES "/%s/name", entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		if (fgets(name, sizeof(name), file) && strstr(name, "frame buffer")) {
			snprintf(path, sizeof(path), VTCONSOLES "/%s/bind", entry->d_name);
			write_file(path, "0");
		}
		fclose(file);
	}
	closedir(directory);
}

static int find_device(void)
{
	DIR *directory = opendir(DRIVER);
	struct dirent *entry;
	int found = 0;

	if (!directory)
		return -1;
	while (!found && (entry = readdir(directory))) {
		if (strncmp(entry->d_name, "virtio", 6) == 0) {
			snprintf(device, sizeof(device), "%.60s", entry->d_name);
			found = 1;
		}
	}
	closedir(directory);
	if (!found)
		errno = ENODEV;
	return found ? 0 : -1;
}

int driver_unbind(void)
{
	if (find_device() < 0)
		return -1;
	unbind_framebuffer_consoles();
	return write_file(DRIVER "/unbind", device);
}

int driver_bind(void)
{
	if (!device[0]) {
		errno = ENODEV;
		return -1;
	}
	return write_file(DRIVER "/bind", device);
}
