#include "context.h"

#include <stddef.h>

#include "api.h"

int context_open(void)
{
	const int attributes[] = { EGL_CONTEXT_CLIENT_VERSION, 2, EGL_NONE };
	void *display, *context;

	if (api_load() < 0)
		return -1;
	display = eglGetPlatformDisplay(EGL_PLATFORM_SURFACELESS_MESA, NULL, NULL);
	if (!display || !eglInitialize(display, NULL, NULL) || !eglBindAPI(EGL_OPENGL_ES_API))
		return -1;
	context = eglCreateContext(display, NULL, NULL, attributes);
	return context && eglMakeCurrent(display, NULL, NULL, context) ? 0 : -1;
}

void program_add(unsigned program, unsigned kind, const char *text)
{
	unsigned shader = glCreateShader(kind);

	glShaderSource(shader, 1, &text, NULL);
	glCompileShader(shader);
	glAttachShader(program, shader);
}
