// A GL client that gives the GPU more than it can do in seconds: a small square, drawn again and again by a shader that
// counts.

#include <stdio.h>

#include "../gl/api.h"
#include "../gl/context.h"

// llvmpipe ends a shader's loops at 65,536 turns.
#define TURNS 60000
#define DRAWS 40

// No more than one of llvmpipe's threads draws at a time.
#define SIDE 64

static const char *const vertex_text = "attribute vec2 at; void main() { gl_Position = vec4(at, 0.0, 1.0); }";
// What it comes to is drawn, and how often it turns is no constant, so that no compiler may leave it out.
static const char *const fragment_text =
	"precision highp float; uniform float turns;"
	"void main() {"
	"  float sum = 0.0;"
	"  for (float i = 0.0; i < turns; i += 1.0) sum = fract(sum * 1.1 + 0.3);"
	"  gl_FragColor = vec4(sum);"
	"}";

static int make_scene(void)
{
	static const float corners[3][2] = { { -1, -1 }, { -1, 3 }, { 3, -1 } };
	unsigned framebuffer, colour, program = glCreateProgram();
	int at;

	glGenFramebuffers(1, &framebuffer);
	glBindFramebuffer(GL_FRAMEBUFFER, framebuffer);
	glGenRenderbuffers(1, &colour);
	glBindRenderbuffer(GL_RENDERBUFFER, colour);
	glRenderbufferStorage(GL_RENDERBUFFER, GL_RGBA8, SIDE, SIDE);
	glFramebufferRenderbuffer(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_RENDERBUFFER, colour);
	if (glCheckFramebufferStatus(GL_FRAMEBUFFER) != GL_FRAMEBUFFER_COMPLETE)
		return -1;
	program_add(program, GL_VERTEX_SHADER, vertex_text);
	program_add(program, GL_FRAGMENT_SHADER, fragment_text);
	glLinkProgram(program);
	glUseProgram(program);
	at = glGetAttribLocation(program, "at");
	glVertexAttribPointer(at, 2, GL_FLOAT, 0, 0, corners);
	glEnableVertexAttribArray(at);
	glViewport(0, 0, SIDE, SIDE);
	glUniform1f(glGetUniformLocation(program, "turns"), TURNS);
	return glGetError() == 0 ? 0 : -1;
}

int main(void)
{
	if (context_open() < 0 || make_scene() < 0)
		return 1;
	for (int draw = 0; draw < DRAWS; draw++)
		glDrawArrays(GL_TRIANGLES, 0, 3);
	glFinish();
	printf("done\n");
	return 0;
}
