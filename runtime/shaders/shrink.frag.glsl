#version 300 es
// A part of a picture at another size, averaged over areas; alpha of the same view goes into the fourth channel.
precision highp float;
uniform sampler2D picture;
uniform sampler2D alpha;
uniform vec2 first, extent; // the part, in shares of the picture
uniform vec2 size;          // of the target, in pixels
uniform ivec2 taps;         // bilinear samples for one pixel of the target
uniform bool both;          // whether there is an alpha
in vec2 at;
out vec4 colour;

void main() {
  vec4 sum = vec4(0.0);
  for (int y = 0; y < taps.y; y++) {
    for (int x = 0; x < taps.x; x++) {
      vec2 place = at + ((vec2(x, y) + 0.5) / vec2(taps) - 0.5) / size;
      sum += vec4(texture(picture, first + place * extent).rgb, both ? texture(alpha, place).r : 1.0);
    }
  }
  colour = sum / float(taps.x * taps.y);
}
