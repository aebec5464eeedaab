#include "api.h"

#include <dlfcn.h>
#include <stdio.h>

#define DEFINE(result, name, arguments) result(*name) arguments;
EGL_FUNCTIONS(DEFINE)
GL_FUNCTIONS(DEFINE)

static int load(void *library, const char *name, void **function)
{
	*function = library ? dlsym(library, name) : NULL;
	if (!*function)
		printf("there is no %s: %s\n", name, dlerror());
	return *function ? 0 : -1;
}

int api_load(void)
{
	void *egl = dlopen("libEGL.so.1", RTLD_NOW | RTLD_GLOBAL);
	void *gl = dlopen("libGLESv2.so.2", RTLD_NOW | RTLD_GLOBAL);

#define LOAD(library, name) \
	if (load(library, #name, (void **)&name) < 0) \
		return -1;
#define LOAD_EGL(result, name, arguments) LOAD(egl, name)
#define LOAD_GL(result, name, arguments) LOAD(gl, name)
	EGL_FUNCTIONS(LOAD_EGL)
	GL_FUNCTIONS(LOAD_GL)
	return 0;
}
