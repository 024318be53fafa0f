#version 300 es
// The camera's planes (YUV 4:2:0, BT.601, full range) as an upright picture: cropped, turned and mirrored by steps through
// the sensor's pixels, so that no pixel is a mixture of others.
precision highp float;
uniform sampler2D luma;
uniform sampler2D first;  // U
uniform sampler2D second; // V
uniform ivec2 origin, right, down; // the sensor's pixel of the target's first one; steps along the target's rows and columns
uniform ivec2 chroma;     // the byte of U and of V in a texel
out vec4 colour;

void main() {
  ivec2 here = ivec2(gl_FragCoord.xy);
  ivec2 place = origin + here.x * right + here.y * down;
  float y = texelFetch(luma, place, 0).r;
  float u = texelFetch(first, place / 2, 0)[chroma.x] - 128.0 / 255.0;
  float v = texelFetch(second, place / 2, 0)[chroma.y] - 128.0 / 255.0;
  colour = vec4(y + 1.402 * v, y - 0.344136 * u - 0.714136 * v, y + 1.772 * u, 1.0);
}
