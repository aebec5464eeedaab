// A client whose command stream the device refuses: its one command is longer than the stream.

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <virtgpu_drm.h>

// A clear, by virgl_protocol.h: eight words should follow.
#define CLEAR_HEADER (8u << 16 | 7u)

int main(void)
{
	int render = open("/dev/dri/renderD128", O_RDWR | O_CLOEXEC);
	uint32_t words[] = { CLEAR_HEADER, 0 };
	struct drm_virtgpu_execbuffer stream = { .size = sizeof(words), .command = (uintptr_t)words };

	// The driver answers before the device does, which is why nobody tells the client.
	if (render < 0 || ioctl(render, DRM_IOCTL_VIRTGPU_EXECBUFFER, &stream) < 0) {
		printf("no stream was sent: %s\n", strerror(errno));
		return 1;
	}
	printf("sent\n");
	fflush(stdout);
	pause();
	return 0;
}
