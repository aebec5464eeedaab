#version 450

layout(local_size_x = 64) in;
layout(std430, binding = 0) buffer Numbers { uint numbers[]; };

// As in compute.c.
void main()
{
	uint index = gl_GlobalInvocationID.x;
	uint number = numbers[index];

	for (int round = 0; round < 32; round++) {
		number ^= number << 13;
		number ^= number >> 17;
		number ^= number << 5;
		number += index;
	}
	numbers[index] = number;
}
