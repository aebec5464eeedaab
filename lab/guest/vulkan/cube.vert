#version 450

layout(push_constant) uniform Push { float turn; };
layout(location = 0) out vec3 colour;

const vec2 square[6] = vec2[](
	vec2(-1, -1), vec2(1, -1), vec2(1, 1), vec2(-1, -1), vec2(1, 1), vec2(-1, 1));

// Two triangles a side, each side of one colour at its corners.
void main()
{
	int side = gl_VertexIndex / 6;
	vec2 corner = square[gl_VertexIndex % 6];
	float away = side % 2 == 0 ? -1.0 : 1.0;
	vec3 at = side / 2 == 0 ? vec3(away, corner) : side / 2 == 1 ? vec3(corner.y, away, corner.x) : vec3(corner, away);
	float s = sin(turn), c = cos(turn);

	colour = at * 0.5 + 0.5;
	at = vec3(at.x * c - at.z * s, at.y, at.x * s + at.z * c);
	at = vec3(at.x, at.y * c - at.z * s, at.y * s + at.z * c);
	gl_Position = vec4(at.xy, (at.z + 2.0) * 0.25 * (3.0 + at.z) * 0.9, 3.0 + at.z);
}
