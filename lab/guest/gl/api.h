// The little of EGL and GLES 2 that this guest's programs need, without their headers and libraries at build time.
#pragma once

#include <stdint.h>

#define EGL_PLATFORM_SURFACELESS_MESA 0x31dd
#define EGL_OPENGL_ES_API 0x30a0
#define EGL_CONTEXT_CLIENT_VERSION 0x3098
#define EGL_NONE 0x3038

#define GL_TRIANGLES 0x0004
#define GL_DEPTH_TEST 0x0b71
#define GL_TEXTURE_2D 0x0de1
#define GL_UNSIGNED_BYTE 0x1401
#define GL_FLOAT 0x1406
#define GL_RGBA 0x1908
#define GL_RENDERER 0x1f01
#define GL_COLOR_BUFFER_BIT 0x4000
#define GL_DEPTH_BUFFER_BIT 0x0100
#define GL_DEPTH_COMPONENT16 0x81a5
#define GL_RGBA8 0x8058
#define GL_FRAGMENT_SHADER 0x8b30
#define GL_VERTEX_SHADER 0x8b31
#define GL_FRAMEBUFFER_COMPLETE 0x8cd5
#define GL_COLOR_ATTACHMENT0 0x8ce0
#define GL_DEPTH_ATTACHMENT 0x8d00
#define GL_FRAMEBUFFER 0x8d40
#define GL_RENDERBUFFER 0x8d41

#define EGL_FUNCTIONS(X) \
	X(void *, eglGetPlatformDisplay, (unsigned platform, void *native, const intptr_t *attributes)) \
	X(unsigned, eglInitialize, (void *display, int *major, int *minor)) \
	X(unsigned, eglBindAPI, (unsigned api)) \
	X(void *, eglCreateContext, (void *display, void *config, void *share, const int *attributes)) \
	X(unsigned, eglMakeCurrent, (void *display, void *draw, void *read, void *context))

#define GL_FUNCTIONS(X) \
	X(const char *, glGetString, (unsigned name)) \
	X(void, glGenFramebuffers, (int count, unsigned *names)) \
	X(void, glBindFramebuffer, (unsigned target, unsigned name)) \
	X(void, glGenRenderbuffers, (int count, unsigned *names)) \
	X(void, glBindRenderbuffer, (unsigned target, unsigned name)) \
	X(void, glRenderbufferStorage, (unsigned target, unsigned format, int width, int height)) \
	X(void, glFramebufferRenderbuffer, (unsigned target, unsigned attachment, unsigned kind, unsigned name)) \
	X(unsigned, glCheckFramebufferStatus, (unsigned target)) \
	X(void, glViewport, (int x, int y, int width, int height)) \
	X(void, glGenTextures, (int count, unsigned *names)) \
	X(void, glBindTexture, (unsigned target, unsigned name)) \
	X(void, glTexImage2D, (unsigned target, int level, int format, int width, int height, int border, unsigned from, \
			       unsigned kind, const void *pixels)) \
	X(unsigned, glCreateShader, (unsigned kind)) \
	X(void, glShaderSource, (unsigned shader, int count, const char *const *text, const int *lengths)) \
	X(void, glCompileShader, (unsigned shader)) \
	X(unsigned, glCreateProgram, (void)) \
	X(void, glAttachShader, (unsigned program, unsigned shader)) \
	X(void, glLinkProgram, (unsigned program)) \
	X(void, glUseProgram, (unsigned program)) \
	X(int, glGetAttribLocation, (unsigned program, const char *name)) \
	X(int, glGetUniformLocation, (unsigned program, const char *name)) \
	X(void, glVertexAttribPointer, (unsigned at, int size, unsigned kind, unsigned char normal, int stride, const void *from)) \
	X(void, glEnableVertexAttribArray, (unsigned at)) \
	X(void, glUniform1f, (int location, float value)) \
	X(void, glEnable, (unsigned what)) \
	X(void, glClearColor, (float red, float green, float blue, float alpha)) \
	X(void, glClear, (unsigned what)) \
	X(void, glDrawArrays, (unsigned mode, int first, int count)) \
	X(void, glReadPixels, (int x, int y, int width, int height, unsigned format, unsigned kind, void *pixels)) \
	X(void, glFinish, (void)) \
	X(unsigned, glGetError, (void))

#define DECLARE(result, name, arguments) extern result(*name) arguments;
EGL_FUNCTIONS(DECLARE)
GL_FUNCTIONS(DECLARE)
#undef DECLARE

// Finds them all in the system's libraries; says what is missing, and returns -1.
int api_load(void);
