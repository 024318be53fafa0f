#version 300 es
// Gaussian blur that averages background pixels only (normalised convolution, Knutsson and Westin, 1993), along one
// direction. The first pass weighs (colour and alpha in, weighted colour and weight out), the second divides.
precision highp float;
uniform sampler2D values;
uniform ivec2 direction; // 1,0 first, then 0,1
uniform int radius;
uniform float sigma;
uniform float least; // weight of the person: keeps every sum above zero
out vec4 result;

void main() {
  ivec2 last = textureSize(values, 0) - 1;
  vec4 sum = vec4(0.0);
  float total = 0.0;
  // The Gaussian's next value from the one before: exp for every tap would cost more than all else.
  float share = exp(-0.5 * float(radius * radius) / (sigma * sigma));
  float growth = exp((float(radius) - 0.5) / (sigma * sigma));
  float change = exp(-1.0 / (sigma * sigma));
  for (int i = -radius; i <= radius; i++) {
    ivec2 place = abs(ivec2(gl_FragCoord.xy) + i * direction); // mirrored at the border
    vec4 value = texelFetch(values, clamp(last - abs(last - place), ivec2(0), last), 0);
    if (direction.x == 1) {
      float weight = 1.0 - value.a;
      weight *= weight;
      value = vec4(value.rgb, 1.0) * (weight * weight + least);
    }
    sum += share * value;
    total += share;
    share *= growth;
    growth *= change;
  }
  result = direction.x == 1 ? sum / total : vec4(sum.rgb / sum.a, 1.0);
}
