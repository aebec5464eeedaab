// Draws with GL into memory that no screen shows, as fast as it can, for `bun bench --guest`.
//
//   fencepost-gl frames|readback WIDTH HEIGHT WARM-MS MS
//
// frames: a turning cube, the next when the GPU is done with the last. readback: a small change, and all pixels read.
// Says "renderer NAME", then "warm" when it begins to count, and "ran COUNT START-US DURATION-US".

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../clock.h"
#include "api.h"
#include "context.h"

struct size {
	int width, height;
};

static const char *const vertex_text =
	"attribute vec3 at; varying vec3 colour; uniform float turn;"
	"void main() {"
	"  float s = sin(turn), c = cos(turn);"
	"  vec3 p = vec3(at.x * c - at.z * s, at.y, at.x * s + at.z * c);"
	"  p = vec3(p.x, p.y * c - p.z * s, p.y * s + p.z * c);"
	"  colour = at * 0.5 + 0.5;"
	"  gl_Position = vec4(p.xy, p.z * 0.3, 2.5 + p.z);"
	"}";
static const char *const fragment_text =
	"precision mediump float; varying vec3 colour; void main() { gl_FragColor = vec4(colour, 1.0); }";

#define CORNERS 36

static float corners[CORNERS][3];
static int turn_location;

// Two triangles a side.
static void make_cube(void)
{
	static const int square[6][2] = { { -1, -1 }, { 1, -1 }, { 1, 1 }, { -1, -1 }, { 1, 1 }, { -1, 1 } };
	int next = 0;

	for (int axis = 0; axis < 3; axis++) {
		for (int side = -1; side <= 1; side += 2) {
			for (int i = 0; i < 6; i++, next++) {
				corners[next][axis] = (float)side;
				corners[next][(axis + 1) % 3] = (float)square[i][0];
				corners[next][(axis + 2) % 3] = (float)square[i][1];
			}
		}
	}
}

static void attach(unsigned attachment, unsigned format, struct size size)
{
	unsigned name;

	glGenRenderbuffers(1, &name);
	glBindRenderbuffer(GL_RENDERBUFFER, name);
	glRenderbufferStorage(GL_RENDERBUFFER, format, size.width, size.height);
	glFramebufferRenderbuffer(GL_FRAMEBUFFER, attachment, GL_RENDERBUFFER, name);
}

static int make_scene(struct size size)
{
	unsigned framebuffer, program = glCreateProgram();
	int at;

	glGenFramebuffers(1, &framebuffer);
	glBindFramebuffer(GL_FRAMEBUFFER, framebuffer);
	attach(GL_COLOR_ATTACHMENT0, GL_RGBA8, size);
	attach(GL_DEPTH_ATTACHMENT, GL_DEPTH_COMPONENT16, size);
	if (glCheckFramebufferStatus(GL_FRAMEBUFFER) != GL_FRAMEBUFFER_COMPLETE)
		return -1;
	program_add(program, GL_VERTEX_SHADER, vertex_text);
	program_add(program, GL_FRAGMENT_SHADER, fragment_text);
	glLinkProgram(program);
	glUseProgram(program);
	at = glGetAttribLocation(program, "at");
	turn_location = glGetUniformLocation(program, "turn");
	make_cube();
	glVertexAttribPointer(at, 3, GL_FLOAT, 0, 0, corners);
	glEnableVertexAttribArray(at);
	glEnable(GL_DEPTH_TEST);
	glViewport(0, 0, size.width, size.height);
	return glGetError() == 0 ? 0 : -1;
}

static void draw(unsigned frame)
{
	glClearColor(0.5f, 0.5f, 0.5f, 1);
	glClear(GL_COLOR_BUFFER_BIT | GL_DEPTH_BUFFER_BIT);
	glUniform1f(turn_location, (float)frame * 0.02f);
	glDrawArrays(GL_TRIANGLES, 0, CORNERS);
}

static void draw_frame(unsigned frame, struct size size, uint32_t *pixels)
{
	(void)size, (void)pixels;
	draw(frame);
	glFinish();
}

static void read_back(unsigned frame, struct size size, uint32_t *pixels)
{
	draw(frame);
	glReadPixels(0, 0, size.width, size.height, GL_RGBA, GL_UNSIGNED_BYTE, pixels);
}

typedef void step(unsigned frame, struct size size, uint32_t *pixels);

static unsigned run(step *step, struct size size, uint32_t *pixels, unsigned ms)
{
	uint64_t end = clock_us() + ms * 1000ull;
	unsigned frame = 0;

	while (clock_us() < end)
		step(frame++, size, pixels);
	return frame;
}

// What was drawn last has a cube before grey, or nothing of this was real.
static int check(struct size size, uint32_t *pixels)
{
	glReadPixels(0, 0, size.width, size.height, GL_RGBA, GL_UNSIGNED_BYTE, pixels);
	return glGetError() == 0 && pixels[0] != pixels[(size_t)size.height / 2 * size.width + size.width / 2] ? 0 : -1;
}

// The C library's own is another function from release to release.
static unsigned number(const char *text)
{
	unsigned value = 0;

	while (*text >= '0' && *text <= '9')
		value = value * 10 + (unsigned)(*text++ - '0');
	return value;
}

int main(int argc, char **argv)
{
	step *step = argc == 6 && strcmp(argv[1], "readback") == 0 ? read_back : draw_frame;
	struct size size;
	uint32_t *pixels;
	uint64_t start;
	unsigned count;

	if (argc != 6) {
		printf("usage: fencepost-gl frames|readback WIDTH HEIGHT WARM-MS MS\n");
		return 2;
	}
	size = (struct size){ (int)number(argv[2]), (int)number(argv[3]) };
	pixels = malloc((size_t)size.width * size.height * 4);
	if (!pixels || context_open() < 0 || make_scene(size) < 0) {
		printf("GL is not to be had\n");
		return 1;
	}
	printf("renderer %s\n", glGetString(GL_RENDERER));
	run(step, size, pixels, number(argv[4]));
	printf("warm\n");
	fflush(stdout);
	start = clock_us();
	count = run(step, size, pixels, number(argv[5]));
	printf("ran %u %llu %llu\n", count, (unsigned long long)start, (unsigned long long)(clock_us() - start));
	fflush(stdout);
	if (check(size, pixels) < 0) {
		printf("the cube is not there\n");
		return 1;
	}
	return 0;
}
