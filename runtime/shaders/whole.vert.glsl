#version 300 es
// One triangle that covers the target. `at` is the place in the picture, with 0,0 in its top left corner:
// the first row of every texture is the picture's top row.
uniform bool screen; // the screen's first row is its lowest
out vec2 at;

void main() {
  at = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2.0;
  gl_Position = vec4(at * 2.0 - 1.0, 0.0, 1.0);
  if (screen) gl_Position.y = -gl_Position.y;
}
