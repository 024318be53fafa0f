#version 300 es
// Mean over a window, along one direction.
precision highp float;
uniform sampler2D values;
uniform ivec2 direction; // 1,0 or 0,1
uniform int radius;
out vec4 mean;

void main() {
  ivec2 last = textureSize(values, 0) - 1;
  vec4 sum = vec4(0.0);
  for (int i = -radius; i <= radius; i++) {
    sum += texelFetch(values, clamp(ivec2(gl_FragCoord.xy) + i * direction, ivec2(0), last), 0);
  }
  mean = sum / float(2 * radius + 1);
}
