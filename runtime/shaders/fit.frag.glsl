#version 300 es
// Guided filter with a colour guide (He, Sun and Tang, 2013), first half: in a window around each pixel, alpha as a
// linear function of colour. `guide` holds colour and alpha; the result holds the three slopes and the offset.
precision highp float;
uniform sampler2D guide;
uniform int radius;
uniform float smoothness; // colour variance below which a window counts as flat
out vec4 line;

void main() {
  ivec2 last = textureSize(guide, 0) - 1;
  ivec2 here = ivec2(gl_FragCoord.xy);
  vec3 mean = vec3(0.0), shared = vec3(0.0), squares = vec3(0.0), products = vec3(0.0);
  float alpha = 0.0;
  // Moments around the window's middle: around zero, small variances would drown in rounding.
  vec4 middle = texelFetch(guide, here, 0);
  for (int y = -radius; y <= radius; y++) {
    for (int x = -radius; x <= radius; x++) {
      vec4 value = texelFetch(guide, clamp(here + ivec2(x, y), ivec2(0), last), 0) - middle;
      mean += value.rgb;
      alpha += value.a;
      shared += value.rgb * value.a;
      squares += value.rgb * value.rgb;
      products += value.rrg * value.gbb; // red*green, red*blue, green*blue
    }
  }
  float share = 1.0 / float((2 * radius + 1) * (2 * radius + 1));
  mean *= share;
  alpha *= share;
  shared = shared * share - mean * alpha;
  squares = squares * share - mean * mean + smoothness;
  products = products * share - mean.rrg * mean.gbb;
  mat3 covariance = mat3(
    squares.r, products.r, products.g,
    products.r, squares.g, products.b,
    products.g, products.b, squares.b);
  vec3 slopes = inverse(covariance) * shared;
  line = vec4(slopes, alpha + middle.a - dot(slopes, mean + middle.rgb));
}
