// A GL client that leaks: it makes textures that it draws nothing with, and lives on.

#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "../gl/api.h"
#include "../gl/context.h"

#define TEXTURES 64
#define SIDE 256

int main(void)
{
	static uint32_t pixels[SIDE * SIDE];
	unsigned name;

	if (context_open() < 0)
		return 1;
	for (int made = 0; made < TEXTURES; made++) {
		glGenTextures(1, &name);
		glBindTexture(GL_TEXTURE_2D, name);
		glTexImage2D(GL_TEXTURE_2D, 0, GL_RGBA, SIDE, SIDE, 0, GL_RGBA, GL_UNSIGNED_BYTE, pixels);
	}
	glFinish();
	printf("leaked\n");
	fflush(stdout);
	pause();
	return 0;
}
