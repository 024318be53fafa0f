#version 300 es
// Decontamination, first half: colours near each pixel, of the person and of what is behind, summed along rows.
// Weights are alpha and 1 - alpha to the fourth power, which leaves out what is a mixture.
precision highp float;
uniform sampler2D small; // colour and alpha
uniform int radius;
layout(location = 0) out vec4 person; // weighted mean of colour; mean of the weights
layout(location = 1) out vec4 behind;

void main() {
  ivec2 here = ivec2(gl_FragCoord.xy);
  int last = textureSize(small, 0).x - 1;
  person = behind = vec4(0.0);
  for (int i = -radius; i <= radius; i++) {
    int x = abs(here.x + i); // mirrored at the border
    vec4 value = texelFetch(small, ivec2(last - abs(last - x), here.y), 0);
    vec2 weight = vec2(value.a, 1.0 - value.a);
    weight *= weight;
    weight *= weight;
    person += vec4(value.rgb, 1.0) * weight.x;
    behind += vec4(value.rgb, 1.0) * weight.y;
  }
  person /= float(2 * radius + 1);
  behind /= float(2 * radius + 1);
}
