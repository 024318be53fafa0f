#version 300 es
// Decontamination, second half (Forte and Pitie, 2021): what to add to the picture for the person's own colours.
// Where alpha mixes the two mean colours to another colour than the pixel's, alpha of the difference is the person's.
precision highp float;
uniform sampler2D small;
uniform sampler2D person;
uniform sampler2D behind;
uniform int radius;
uniform float little; // keeps a mean of nothing from dividing by 0
out vec4 change;

void main() {
  ivec2 here = ivec2(gl_FragCoord.xy);
  vec4 value = texelFetch(small, here, 0);
  change = vec4(0.0);
  if (value.a == 1.0) return; // nothing shines through
  int last = textureSize(small, 0).y - 1;
  vec4 near = vec4(0.0), far = vec4(0.0);
  for (int i = -radius; i <= radius; i++) {
    int y = abs(here.y + i);
    ivec2 place = ivec2(here.x, last - abs(last - y));
    near += texelFetch(person, place, 0);
    far += texelFetch(behind, place, 0);
  }
  near /= float(2 * radius + 1);
  far /= float(2 * radius + 1);
  if (near.a < 1e-6) return; // no person is near
  vec3 own = near.rgb / (near.a + little);
  vec3 mixture = mix(far.rgb / (far.a + little), own, value.a);
  change.rgb = clamp(own + value.a * (value.rgb - mixture), 0.0, 1.0) - value.rgb;
}
